"""Records by the bytes of the rows that they were made of.

A list that is read again has mostly the rows that it had before. A row with the bytes of one on a
page that is still cached becomes the very same record, without parsing and redaction.

- A record depends on nothing but the bytes of its row and the context: the source, the credential,
  the list, and what else a kit names.
- Records are held weakly, so they live no longer than the cached pages that they are on.
- Keys are digests, so that no text is kept that was not redacted.
- Rows with one of the source's own secrets are not remembered (``Answer.with_raw_rows``).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    import msgspec

DIGEST = 16


class RowMemo:
    """The records of one source; none are remembered if it is not ``enabled``."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self._records: WeakValueDictionary[bytes, Any] = WeakValueDictionary()

    def __len__(self) -> int:
        """Return the number of records that are alive."""
        return len(self._records)

    def within(self, *context: str) -> RowsMemo:
        """Return the part for rows of one context."""
        return RowsMemo(self._records if self.enabled else None, context)


class RowsMemo:
    """The records of one context."""

    def __init__(
        self, records: WeakValueDictionary[bytes, Any] | None, context: tuple[str, ...]
    ) -> None:
        self._records = records
        # Written with quotes, so that no two contexts are equal.
        self._context = hashlib.blake2b(repr(context).encode(), digest_size=DIGEST)

    def key(self, row: msgspec.Raw) -> bytes:
        """Return the key of a row."""
        digest = self._context.copy()
        digest.update(row)
        return digest.digest()

    def get(self, key: bytes) -> Any:
        """Return the record of a row; None if there is none."""
        return None if self._records is None else self._records.get(key)

    def keep(self, key: bytes, record: Any) -> None:
        """Remember the record of a row for as long as it lives."""
        if self._records is not None:
            self._records[key] = record
