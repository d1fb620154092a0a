"""Retry and delete: rights, outcomes, and the journal around them."""
