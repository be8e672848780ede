"""What people do, one use case a module; `begin_` and `complete_` are the halves of a ceremony."""
