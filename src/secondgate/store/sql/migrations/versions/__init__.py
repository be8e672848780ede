"""One module a revision, in Alembic's form; a released revision is never changed."""
