"""A vendor's document becomes the record: fields, timestamps, failures, redaction."""
