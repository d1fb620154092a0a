"""Those who listen to events: the log, the metrics and the traces."""
