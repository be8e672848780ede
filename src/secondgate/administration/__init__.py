"""What administrators do: change the managed objects, by the API and the dashboard."""
