"""Turn a vendor's document into the record: fields, times, failure categories, redaction."""
