"""The durable store on SQLite and PostgreSQL: SQLAlchemy Core, one module a part of the port."""
