"""Read, group and lock devices; neither torch nor the dashboard is needed."""
