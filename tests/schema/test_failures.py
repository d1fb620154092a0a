"""Errors have a code; defects are masked, and logged with their cause."""

from __future__ import annotations

import dataclasses
import logging
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from gateway.schema import build_schema
from gateway.schema.context import Context
from gateway.upstream.operation import Operation

SCHEMA = build_schema()


class Defect(dict[str, Any]):
    """Sources whose error text must stay secret."""

    def values(self) -> Any:
        raise RuntimeError("token s3cr3t in /srv/gateway")


class Broken:
    """A gateway with a defect."""

    sources = Defect()


@pytest.mark.parametrize(
    ("gateway", "query", "path", "logged"),
    [
        (Broken(), "{ sources { name } }", ["sources"], "s3cr3t"),
        (
            SimpleNamespace(sources={"one": object()}),
            "{ sources { name } }",
            ["sources", 0],
            "Expected value of type 'Source'",
        ),
        (
            SimpleNamespace(source=lambda _: None, sources={"one": None}),
            '{ source(name: "one") { name } sources { name } }',
            ["sources", 0],
            "Cannot return null for non-nullable field",
        ),
    ],
)
async def test_defects_are_masked_and_logged(
    caplog: pytest.LogCaptureFixture, gateway: Any, query: str, path: list[Any], logged: str
) -> None:
    result = await SCHEMA.execute(query, context_value=Context(gateway, Operation(5)))
    assert result.data is None
    [error] = [error.formatted for error in result.errors or []]
    assert error["message"] == (
        "A defect in the gateway broke this field. The gateway's log has the details."
    )
    assert error["extensions"] == {"code": "INTERNAL_ERROR"}
    assert error["path"] == path
    [record] = caplog.records
    assert (record.levelno, record.name) == (logging.ERROR, "gateway.schema.failures")
    assert logged in caplog.text


async def test_result_of_the_wrong_type_is_a_defect(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @dataclasses.dataclass
    class Page:
        slice: Any
        reports: Any = None

    class Gateway:
        sources: ClassVar[dict[str, Any]] = {}

        async def logs(self, _: object, **__: Any) -> Any:
            report = SimpleNamespace(source="one", returned="many", scanned=2**40)
            return Page(SimpleNamespace(reports=[report]))

    result = await SCHEMA.execute(
        "{ webhookLogs { sourceReports { returned scanned } } }",
        context_value=Context(Gateway(), Operation(5)),  # type: ignore[arg-type]
    )
    assert {error.message for error in result.errors or []} == {
        "A defect in the gateway broke this field. The gateway's log has the details."
    }
    assert "Int cannot represent" in caplog.text


@pytest.mark.parametrize(
    ("query", "code", "sentence"),
    [
        (
            "{ sources { name }",
            "GRAPHQL_PARSE_FAILED",
            "Syntax Error: Expected Name, found <EOF>.",
        ),
        (
            "{ hooks }",
            "GRAPHQL_VALIDATION_FAILED",
            "Cannot query field 'hooks' on type 'Query'. Did you mean 'nodes'?",
        ),
        (
            "query One { sources { name } } query Two { sources { name } }",
            "GRAPHQL_VALIDATION_FAILED",
            "The document has several operations. Name the one to execute in operationName.",
        ),
        (
            "subscription { logs }",
            "GRAPHQL_VALIDATION_FAILED",
            "The subscription operation is not supported by the schema.",
        ),
    ],
)
async def test_document_without_an_executable_operation_is_refused(
    query: str, code: str, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    result = await SCHEMA.execute(query)
    assert result.data is None
    [error] = [error.formatted for error in result.errors or []]
    assert "path" not in error
    assert (error["extensions"], error["message"]) == ({"code": code}, sentence)
    assert caplog.records == []


async def test_null_for_a_required_argument_is_the_callers_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    result = await SCHEMA.execute(
        'query ($id: ID = "x") { webhookLog(id: $id) { id } }', variable_values={"id": None}
    )
    assert result.data == {"webhookLog": None}
    [error] = [error.formatted for error in result.errors or []]
    assert error["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert caplog.records == []
