"""Retry and delete: what may be done, what came of it, and what the caller is told."""
