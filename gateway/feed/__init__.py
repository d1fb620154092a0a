"""The merged list of logs: filters, cursors, readers, merge and paging."""
