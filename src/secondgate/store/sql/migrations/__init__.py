"""The steps by which a database comes to its present shape, run by `secondgate.store.sql.migrate`."""
