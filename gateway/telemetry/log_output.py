"""Where the log goes, and in which form: JSON for servers, or lines for people.

Records of the standard library's ``logging``, those of other packages included, take the same form.
Only the gateway's own are written below the level "warning": at lower ones some packages log what
they send, such as the parameters of SQL. Tracebacks have no local variables, for the same reason.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, TextIO

import msgspec
import structlog
from structlog.dev import ConsoleRenderer, plain_traceback

if TYPE_CHECKING:
    from structlog.typing import Processor

    from gateway.config import LogSettings

Entry = MutableMapping[str, Any]

_encode = msgspec.json.Encoder(enc_hook=str).encode
_stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)


def set_up(settings: LogSettings, stream: TextIO | None = None) -> Any:
    """Write all records of this process as configured; return the logger for entries."""
    stream = stream or sys.stderr
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    in_json = settings.format == "json" or (settings.format == "auto" and not stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(stream, in_json=in_json))
    root = logging.getLogger()
    for other in list(root.handlers):
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger("gateway").setLevel(level)
    render: list[Processor] = [_json if in_json else _lines(stream)]
    return structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[structlog.processors.add_log_level, _stamp, _printable, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )


def _formatter(stream: TextIO, *, in_json: bool) -> logging.Formatter:
    exceptions: list[Processor] = [structlog.processors.format_exc_info, _printable]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            _stamp,
            _printable,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *(exceptions if in_json else ()),
            _json if in_json else _lines(stream),
        ],
    )


def _json(_: object, __: str, entry: Entry) -> str:
    ordered = {name: entry.pop(name) for name in ("timestamp", "level", "event")}
    return _encode(ordered | dict(entry)).decode()


def _lines(stream: TextIO) -> Processor:
    return ConsoleRenderer(colors=stream.isatty(), exception_formatter=_traceback)


def _printable(_: object, __: str, entry: Entry) -> Entry:
    """Escape texts with control characters, which a terminal would obey."""
    for name, value in entry.items():
        if isinstance(value, str) and not value.isprintable():
            entry[name] = _escaped(value) if name != "exception" else _escaped_lines(value)
        elif isinstance(value, list):
            entry[name] = [_escaped(one) if isinstance(one, str) else one for one in value]
    return entry


def _traceback(stream: TextIO, exception: Any) -> None:
    text = io.StringIO()
    plain_traceback(text, exception)
    stream.write(_escaped_lines(text.getvalue()))


def _escaped_lines(text: str) -> str:
    return "\n".join(map(_escaped, text.split("\n")))


def _escaped(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode()
