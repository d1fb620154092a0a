"""Those who listen to events: the log and the metrics."""
