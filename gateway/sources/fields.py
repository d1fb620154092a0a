"""Reading the fields of a vendor's document whose types can't be relied on.

The vendors' pages contradict their own examples (a number documented as text, an object shown as
text), so each reader takes every form that means the same. What it can't read is None and leaves
a warning, except for the id and the times: a row without those can't be placed, and is UnreadableError.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from gateway import timestamps
from gateway.redaction import redact_headers, redact_json

if TYPE_CHECKING:
    from gateway.model import Header, Timestamp


class UnreadableError(ValueError):
    """A row that can't be turned into a record; the text says which field, never its value."""


class Fields:
    """One JSON object of a vendor's answer.

    ``warnings`` grows with every field that could not be read, in nested objects too.
    """

    def __init__(self, document: Any, warnings: list[str] | None = None, path: str = "") -> None:
        if not isinstance(document, dict):
            raise UnreadableError(f"{path or 'the row'} is not an object")
        self._document = document
        self._path = path
        self.warnings: list[str] = [] if warnings is None else warnings

    def __contains__(self, name: str) -> bool:
        """Tell whether the field is there and not null."""
        return self._document.get(name) is not None

    def id(self, name: str = "id") -> str:
        """Read an id, number or text, as text; UnreadableError without one."""
        value = self._document.get(name)
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise UnreadableError(f"{self._path}{name} is missing or is no id")
        return str(value)

    def time(self, name: str) -> Timestamp | None:
        """Read a time in any vendor's form; None when absent or empty, UnreadableError when no time."""
        value = self._document.get(name)
        if value is None or value == "":
            return None
        try:
            moment = timestamps.parse(value)
        except (TypeError, ValueError):
            raise UnreadableError(f"{self._path}{name} is not a time") from None
        # "Never" is written as the year 1 by Go, and as 1970 by others.
        return moment if 0 < moment <= 2**62 else None

    def text(self, name: str) -> str | None:
        """Read text, or a number as text."""
        value = self._document.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        return self._odd(name, value, "text")

    def integer(self, name: str) -> int | None:
        """Read a whole number, or text that is one."""
        number = self.number(name)
        if number is not None and number.is_integer() and abs(number) < 2**31:
            return int(number)
        return self._odd(name, number, "a whole number")

    def number(self, name: str) -> float | None:
        """Read a finite number, or text that is one."""
        value = self._document.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            try:
                number = float(value)
            except (ValueError, OverflowError):
                number = math.nan
            if math.isfinite(number):
                return number
        return self._odd(name, value, "a number")

    def boolean(self, name: str) -> bool | None:
        """Read true or false."""
        value = self._document.get(name)
        return value if isinstance(value, bool) else self._odd(name, value, "true or false")

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of texts; what is no text is left out."""
        value = self._document.get(name)
        if not isinstance(value, list):
            self._odd(name, value, "a list")
            return ()
        return tuple(item for item in value if isinstance(item, str))

    def object(self, name: str) -> Fields | None:
        """Read a nested object; it shares the warnings."""
        value = self._document.get(name)
        if isinstance(value, dict):
            return Fields(value, self.warnings, f"{self._path}{name}.")
        return self._odd(name, value, "an object")

    def objects(self, name: str) -> list[Fields]:
        """Read a list of objects; what is no object is left out."""
        value = self._document.get(name)
        if not isinstance(value, list):
            self._odd(name, value, "a list")
            return []
        return [Fields(item, self.warnings, f"{name}[].") for item in value if _is_object(item)]

    def headers(self, name: str) -> tuple[Header, ...] | None:
        """Read HTTP headers, whose values may be numbers; None when the vendor gives none."""
        value = self._document.get(name)
        if isinstance(value, dict):
            return redact_headers(value)
        return self._odd(name, value, "an object")

    def body(self, name: str) -> str | None:
        """Read a body as text: text stays as it is, any other JSON value is written out."""
        value = self._document.get(name)
        if value is None or isinstance(value, str):
            return value
        return msgspec.json.encode(value).decode()

    def redacted(self) -> Fields:
        """Return the same object with its secrets masked: what may be shown is read from that."""
        return Fields(redact_json(self._document), self.warnings, self._path)

    @property
    def document(self) -> dict[str, Any]:
        """The object itself."""
        return self._document

    def _odd(self, name: str, value: object, expected: str) -> None:
        if value is not None and value != "":
            self.warnings.append(f"The vendor's {self._path}{name} is not {expected}.")


def _is_object(value: object) -> bool:
    return isinstance(value, dict)
