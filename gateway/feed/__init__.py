"""The merged list: filters, cursors, readers, merge and paging."""
