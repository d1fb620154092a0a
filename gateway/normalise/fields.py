"""Reading the fields of a vendor's document whose types can't be relied on.

The vendors' pages contradict their own examples (a number documented as text, an object shown as
text), so each reader takes every form that means the same. What it can't read is None and leaves
a warning, except for what places a row: without a good id, or with a bad time of its own, it is
UnreadableError.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.normalise import damaged, timestamps
from gateway.normalise.redaction import redact_headers, redact_json

if TYPE_CHECKING:
    from gateway.model import Header, Timestamp

MAX_ID = 100
"""Characters; an id is a part of the gateway's own, which are bounded."""

_NUMBER = re.compile(r"[1-9][0-9]{0,18}")


class UnreadableError(ValueError):
    """A row that can't be turned into a record; the text says which field, never its value."""


def is_number(text: str, below: int = 2**63) -> bool:
    """Tell whether a text is a positive whole number, written in the one usual way."""
    return _NUMBER.fullmatch(text) is not None and int(text) < below


class Fields:
    """One JSON object of a vendor's answer.

    ``warnings`` grows with every field that could not be read, in nested objects too.
    """

    def __init__(
        self,
        document: Any,
        warnings: list[str] | None = None,
        path: str = "",
        headers: dict[str, tuple[Header, ...]] | None = None,
    ) -> None:
        if not isinstance(document, dict):
            raise UnreadableError("it is not an object")
        self._document = document
        self._path = path
        self._headers = {} if headers is None else headers
        self.warnings: list[str] = [] if warnings is None else warnings
        if isinstance(document, damaged.Damaged):
            self.warnings.append(damaged.WARNING)

    def __contains__(self, name: str) -> bool:
        """Tell whether the field is there and not null."""
        return self._document.get(name) is not None

    def id(self, name: str = "id") -> str:
        """Read an id, number or text, as text; UnreadableError without one."""
        value = self._document.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            text = str(value)
            if 0 < len(text) <= MAX_ID and text.isprintable():
                return text
        raise UnreadableError(f"{self._path}{name} is missing or is no id")

    def number_id(self, name: str = "id") -> str:
        """Read an id that is a positive whole number; UnreadableError without one."""
        text = self.id(name)
        if not is_number(text):
            raise UnreadableError(f"{self._path}{name} is not a whole number")
        return text

    def own_time(self, name: str) -> Timestamp | None:
        """Read the time that places a row; UnreadableError where it is there and is no time."""
        try:
            return self._moment(name)
        except ValueError:
            raise UnreadableError(f"{self._path}{name} is not a time") from None

    def time(self, name: str) -> Timestamp | None:
        """Read a time in any vendor's form."""
        try:
            return self._moment(name)
        except ValueError:
            self._odd(name, self._document[name], "a time")
            return None

    def _moment(self, name: str) -> Timestamp | None:
        value = self._document.get(name)
        if value is None or value == "":
            return None
        moment = timestamps.parse(value if isinstance(value, str) else "")
        # "Never" is written as the year 1 by Go, and as 1970 by others.
        return moment if 0 < moment <= 2**62 else None

    def text(self, name: str) -> str | None:
        """Read text, or a number as text."""
        value = self._document.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        self._odd(name, value, "text")
        return None

    def integer(self, name: str) -> int | None:
        """Read a whole number of 32 bits, or text that is one."""
        number = self.number(name)
        if number is not None and number.is_integer() and abs(number) < 2**31:
            return int(number)
        self._odd(name, number, "a whole number")
        return None

    def count(self, name: str) -> int | None:
        """Read a whole number that is not negative."""
        number = self.integer(name)
        if number is None or number >= 0:
            return number
        self._odd(name, number, "a count")
        return None

    def status(self, name: str) -> int | None:
        """Read an HTTP status, which some vendors write as 0 where there was no answer."""
        status = self.integer(name)
        if status is None or 100 <= status < 600:
            return status
        self._odd(name, status or None, "an HTTP status")
        return None

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
        self._odd(name, value, "a number")
        return None

    def boolean(self, name: str) -> bool | None:
        """Read true or false."""
        value = self._document.get(name)
        if isinstance(value, bool):
            return value
        self._odd(name, value, "true or false")
        return None

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
            return Fields(value, self.warnings, f"{self._path}{name}.", self._headers)
        self._odd(name, value, "an object")
        return None

    def objects(self, name: str) -> list[Fields]:
        """Read a list of objects; what is no object is left out."""
        value = self._document.get(name)
        if not isinstance(value, list):
            self._odd(name, value, "a list")
            return []
        path = f"{self._path}{name}[]."
        return [Fields(item, self.warnings, path) for item in value if isinstance(item, dict)]

    def body(self, name: str) -> str | None:
        """Read a body as text: text stays as it is, any other JSON value is written out."""
        value = self._document.get(name)
        if value is None or isinstance(value, str):
            return value
        return msgspec.json.encode(value).decode()

    def headers(self, name: str) -> tuple[Header, ...] | None:
        """Read HTTP headers, whose values may be of any type, from what ``redacted`` returned."""
        found = self._headers.get(self._path + name)
        if found is None:
            self._odd(name, self._document.get(name), "an object")
        return found

    def redacted(self) -> Fields:
        """Return a row with its secrets masked: what may be shown is read from that."""
        headers: dict[str, tuple[Header, ...]] = {}
        document = _redact(self._document, "", headers)
        return Fields(document, self.warnings, headers=headers)

    @property
    def document(self) -> dict[str, Any]:
        """The object itself."""
        return self._document

    def _odd(self, name: str, value: Any, expected: str) -> None:
        if value is not None and value != "":
            self.warnings.append(f"The vendor's {self._path}{name} is not {expected}.")


def _redact(
    document: dict[str, Any], path: str, headers: dict[str, tuple[Header, ...]]
) -> dict[str, Any]:
    """Redact an object, its headers by the rules for headers, which know more names."""
    apart: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, dict) and name in {"headers", "request_headers", "response_headers"}:
            headers[path + name] = pairs = redact_headers(value)
            apart[name] = {
                pair.name: pair.value if pair.redacted else value[pair.name] for pair in pairs
            }
        elif isinstance(value, dict) and name in {"request", "response"} and not path:
            apart[name] = _redact(value, f"{name}.", headers)
    if not apart:
        clean: dict[str, Any] = redact_json(document)
        return clean
    return {**redact_json({**document, **dict.fromkeys(apart)}), **apart}
