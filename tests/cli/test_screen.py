"""Text from vendors on a terminal."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from gateway.cli import logs, screen, show
from gateway.cli.document import document, dumps
from gateway.model import (
    Failure,
    FailureCategory,
    Header,
    HttpRequest,
    HttpResponse,
    WebhookLog,
    WebhookLogStatus,
)
from gateway.vendors.described.parsing import DescribedDetails
from gateway.vendors.language_weaver.parsing import LanguageWeaverDetails

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m[red]a\u202eb\r\nc"
"""A window title, a cleared screen, a colour, Rich's markup and reversed text."""


@pytest.fixture
def hostile() -> WebhookLog:
    header = Header(HOSTILE, HOSTILE, redacted=False)
    return WebhookLog(
        id="an-id",
        upstream_id=HOSTILE,
        source="translations",
        provider="language-weaver",
        event=HOSTILE,
        status=WebhookLogStatus.FAILED,
        failure=Failure(FailureCategory.UNKNOWN, HOSTILE, retryable=False),
        correlation_id=HOSTILE,
        request=HttpRequest(method=HOSTILE, url=HOSTILE, headers=(header,), body=HOSTILE),
        response=HttpResponse(headers=(header,), body=json.dumps({HOSTILE: HOSTILE})),
        details=LanguageWeaverDetails(webhook_uuid=HOSTILE),
        warnings=(HOSTILE,),
    )


def test_no_control_character_reaches_a_terminal(
    hostile: WebhookLog, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = logs.Rows(["translations"])
    rows.print(hostile)
    assert capsys.readouterr().out.count("\n") == 1
    rows.print(hostile)
    show.print_texts(hostile)
    screen.print_error(HOSTILE)
    out, err = capsys.readouterr()
    assert screen.line("half a \ud800") == "half a"
    assert "[red]ab" in out
    assert "[red]ab c" in err
    assert [each for each in out + err if not each.isprintable() and each != "\n"] == []
    written = dumps(document(hostile))
    assert written.isascii()
    assert written.isprintable()
    assert json.loads(written)["event"] == HOSTILE


def test_long_name_is_apart_from_its_value(
    hostile: WebhookLog, capsys: pytest.CaptureFixture[str]
) -> None:
    """Values that a description names have names of any length."""
    described = DescribedDetails(values={"idempotency_key": "4c65bec2"})
    show.print_texts(replace(hostile, details=described))
    assert "details.values.idempotency_key 4c65bec2\n" in capsys.readouterr().out
