"""Read the fields of a vendor's JSON object, whose types can't be relied on.

The vendors' documentation contradicts its own examples (a number documented as text, an object
shown as text), so each method accepts every form with the same meaning. A value that can't be read
is None and adds a warning. Only a row without a usable id raises UnreadableError.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from gateway.normalise import damaged, header_lists, timestamps, unicode_text
from gateway.normalise.redaction import redact_headers, redact_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.model import Header, Timestamp

MAX_ID = 100
"""Maximum length of an id in characters; it is part of the gateway's own ids, which are bounded."""

_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
_DAY = 86_400 * 1_000_000_000
# The latest moment accepted, in the year 2116: it leaves room for arithmetic in 64 bits.
_LAST = 2**62


class HeaderPlaces(NamedTuple):
    """The dotted paths of a row's HTTP headers, and of the objects that they are in."""

    paths: frozenset[str]
    parents: frozenset[str]

    @classmethod
    def of(cls, paths: Iterable[str]) -> HeaderPlaces:
        """Return the places of headers: some paths, and those that are usual."""
        known = frozenset(paths) | _USUAL_PATHS
        parents: set[str] = set()
        for path in known:
            steps = path.split(".")
            parents.update(".".join(steps[:length]) for length in range(1, len(steps)))
        return cls(known, frozenset(parents))


_USUAL_PATHS = frozenset(
    f"{parent}{name}"
    for parent in ("", "request.", "response.")
    for name in ("headers", "request_headers", "response_headers")
)
_USUAL = HeaderPlaces.of(())


class UnreadableError(ValueError):
    """A row can't be converted to a record; the message names the field, never its value."""


def is_number(text: str, below: int = 2**63) -> bool:
    """Return True for a positive whole number in its usual notation."""
    return _NUMBER.fullmatch(text) is not None and int(text) < below


class Fields:
    """One JSON object of a vendor's response.

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
        """Return True if the field is present and not null."""
        return self._document.get(name) is not None

    def id(self, name: str = "id") -> str:
        """Read an id, a number or text, as text; UnreadableError if there is none."""
        value = self._document.get(name)
        text = value if isinstance(value, str) else _number_text(value)
        if isinstance(value, float) and not value.is_integer():
            text = None
        if text is not None and 0 < len(text) <= MAX_ID and text.isprintable():
            return text
        raise UnreadableError(f"{self._path}{name} is missing or is no id")

    def number_id(self, name: str = "id") -> str:
        """Read an id that is a positive whole number; UnreadableError if there is none."""
        text = self.id(name)
        if not is_number(text):
            raise UnreadableError(f"{self._path}{name} is not a whole number")
        return text

    def sort_time(self, name: str) -> Timestamp | None:
        """Read the time by which rows are sorted; a row without one keeps the vendor's position."""
        try:
            return self._moment(name)
        except ValueError:
            self.warnings.append(
                f"The vendor's {self._path}{name} is not a time that can be read for certain,"
                " so the log has none and stands where the vendor listed it."
            )
            return None

    def time(self, name: str) -> Timestamp | None:
        """Read a time in any vendor's form."""
        try:
            return self._moment(name)
        except ValueError:
            self._warn_of_type(name, self._document[name], "a time")
            return None

    def _moment(self, name: str) -> Timestamp | None:
        value = self._document.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError  # noqa: TRY004  # odd like any other value, and handled as such
        moment = timestamps.parse(value)
        if 0 < moment <= _LAST:
            return moment
        if _is_placeholder(moment):
            return None
        raise ValueError

    def text(self, name: str) -> str | None:
        """Read text, or a number as text."""
        value = self._document.get(name)
        if isinstance(value, str):
            return self._encodable(name, value)
        number = _number_text(value)
        if number is None:
            self._warn_of_type(name, value, "text")
        return number

    def integer(self, name: str) -> int | None:
        """Read a whole number of 32 bits, or text that is one."""
        number = self.number(name)
        if number is not None and number.is_integer() and abs(number) < 2**31:
            return int(number)
        self._warn_of_type(name, number, "a whole number")
        return None

    def count(self, name: str) -> int | None:
        """Read a whole number that is not negative."""
        number = self.integer(name)
        if number is None or number >= 0:
            return number
        self._warn_of_type(name, number, "a count")
        return None

    def status(self, name: str) -> int | None:
        """Read an HTTP status; 0 means no response, as some vendors write it."""
        status = self.integer(name)
        if status is None or 100 <= status < 600:
            return status
        self._warn_of_type(name, status or None, "an HTTP status")
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
        self._warn_of_type(name, value, "a number")
        return None

    def boolean(self, name: str) -> bool | None:
        """Read true or false."""
        value = self._document.get(name)
        if isinstance(value, bool):
            return value
        self._warn_of_type(name, value, "true or false")
        return None

    def texts(self, name: str) -> tuple[str, ...]:
        """Read a list of texts; other items are left out, with a warning."""
        items = self._list(name, str, "text")
        return tuple(self._encodable(name, item) for item in items)

    def object(self, name: str) -> Fields | None:
        """Read a nested object; it shares the warnings."""
        value = self._document.get(name)
        if isinstance(value, dict):
            return Fields(value, self.warnings, f"{self._path}{name}.", self._headers)
        self._warn_of_type(name, value, "an object")
        return None

    def objects(self, name: str) -> list[Fields]:
        """Read a list of objects; other items are left out, with a warning."""
        path = f"{self._path}{name}[]."
        return [Fields(item, self.warnings, path) for item in self._list(name, dict, "an object")]

    def body(self, name: str) -> str | None:
        """Read a body as text: text stays as it is, any other JSON value is encoded."""
        value = self._document.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            if "\ufffd" in value:
                self.warnings.append(
                    f"The vendor's {self._path}{name} holds U+FFFD, which stands for bytes that"
                    " were not decoded before they came to the gateway."
                )
            return self._encodable(name, value)
        return msgspec.json.encode(unicode_text.encodable_json(value)).decode()

    def headers(self, name: str) -> tuple[Header, ...] | None:
        """Read HTTP headers, with values of any type; call it on the result of ``redacted``."""
        found = self._headers.get(self._path + name)
        if found is None:
            self._warn_of_type(name, self._document.get(name), "an object")
        return found

    def redacted(self, places: HeaderPlaces | None = None) -> Fields:
        """Return the row with its secrets masked, from which all that callers see is read.

        ``places`` are those of HTTP headers, if it has any where most vendors have none.
        """
        headers: dict[str, tuple[Header, ...]] = {}
        whole = unicode_text.encodable_json(self._document)
        if whole is not self._document:
            self._warn_of_surrogates("row")
        document = _redact(whole, "", headers, places or _USUAL)
        return Fields(document, self.warnings, headers=headers)

    @property
    def document(self) -> dict[str, Any]:
        """The object itself."""
        return self._document

    def _list(self, name: str, kind: type[Any], expected: str) -> list[Any]:
        value = self._document.get(name)
        if not isinstance(value, list):
            self._warn_of_type(name, value, "a list")
            return []
        items = [item for item in value if isinstance(item, kind)]
        if len(items) < len(value):
            self.warnings.append(
                f"The vendor's {self._path}{name} has items that are not {expected};"
                " they are left out."
            )
        return items

    def _encodable(self, name: str, text: str) -> str:
        encodable = unicode_text.encodable_text(text)
        if encodable is not text:
            self._warn_of_surrogates(name)
        return encodable

    def _warn_of_surrogates(self, name: str) -> None:
        self.warnings.append(
            f"The vendor's {self._path}{name} holds halves of characters (lone surrogates);"
            " they are shown as escapes such as \\ud83d."
        )

    def _warn_of_type(self, name: str, value: Any, expected: str) -> None:
        if value is not None and value != "":
            self.warnings.append(f"The vendor's {self._path}{name} is not {expected}.")


def _number_text(value: Any) -> str | None:
    """Return a number as text, 12.0 as ``12``; None if it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        # Above 53 bits, a float represents several whole numbers.
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else str(value)
    # Python refuses to convert numbers of thousands of digits to text.
    return str(value) if value.bit_length() < 4096 else None


def _is_placeholder(moment: Timestamp) -> bool:
    """Return True for times that mean "never": Go's year 1, Unix time 0, Java's year 9999."""
    return (
        abs(moment) <= _DAY
        or moment - timestamps.EARLIEST <= _DAY
        or timestamps.LATEST - moment <= _DAY
    )


def _redact(
    document: dict[str, Any],
    path: str,
    headers: dict[str, tuple[Header, ...]],
    places: HeaderPlaces,
) -> dict[str, Any]:
    """Redact an object; the rules for headers, which know more names, apply to its headers."""
    redacted: dict[str, Any] = {}
    for name, value in document.items():
        if path + name in places.paths:
            pairs = header_lists.pairs(value)
            if pairs is not None:
                headers[path + name] = shown = redact_headers(pairs)
                redacted[name] = header_lists.rebuilt(value, shown)
        elif isinstance(value, dict) and path + name in places.parents:
            redacted[name] = _redact(value, f"{path}{name}.", headers, places)
    if not redacted:
        clean: dict[str, Any] = redact_json(document)
        return clean
    return {**redact_json({**document, **dict.fromkeys(redacted)}), **redacted}
