"""Turn a vendor's document into a record: fields, times, failure categories, redaction."""
