"""Statistics of webhook logs, and groups of failures that belong together."""
