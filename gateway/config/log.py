"""The ``[log]`` table."""

from __future__ import annotations

from typing import Literal

from gateway.config.values import Table


class LogSettings(Table):
    """The log, which goes to standard error, a line for each entry."""

    format: Literal["auto", "json", "console"] = "auto"
    """"json" for servers, or "console" for people; "auto" is "console" in a terminal only."""
    level: Literal["debug", "info", "warning", "error"] = "warning"
    """The least level that is written. "info" adds a line for each operation and action, "debug"
    one for each call to a vendor. At "warning" there are those that failed, and not for a mistake
    of their caller."""
