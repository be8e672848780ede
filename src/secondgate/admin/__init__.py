"""The admin listener: the API, health and metrics."""
