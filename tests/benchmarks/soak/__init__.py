"""A soak: mixed load on replicas while vendors, stores and processes fail and restart."""
