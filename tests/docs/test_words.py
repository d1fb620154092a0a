"""Names in the pages exist: links, files, settings, values, fields, commands, options."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

import pytest
from graphql import (
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
)

import tests.test_layers as layers
from gateway.telemetry.instruments import INSTRUMENTS
from tests.docs.pages import PAGES, ROOT, USER_PAGES, Page
from tests.docs.product import ENUMS, SETTINGS, TYPES, VENDOR_METHODS
from tests.docs.tables import DESCRIPTION, commands, events, options, table


def arguments(field: FieldDefinitionNode | InputValueDefinitionNode) -> Sequence[Any]:
    """Return the arguments of a field; input fields have none."""
    return getattr(field, "arguments", None) or ()


VALUES = {value for values in ENUMS.values() for value in values}
FIELDS = {
    name
    for node in TYPES.values()
    if isinstance(
        node,
        ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode | InputObjectTypeDefinitionNode,
    )
    for field in node.fields or ()
    for name in (field.name.value, *(it.name.value for it in arguments(field)))
}
KEYS = set(re.findall(r'"(\w+)": \{', json.dumps([SETTINGS, DESCRIPTION])))
"""The keys of the configuration and of descriptions, and a few more words of their schemas."""
OUTSIDE = {
    "--enable-feature=exemplar-storage",
    "--include-email",
    "COLLAPSED",
    "INFO",
    "at_hash",
    "c_hash",
    "jwks_uri",
    "requestedAccessTokenVersion",
    "token_use",
    "DELETE",
    "FORWARDED_ALLOW_IPS",
    "GET",
    "HTTPS_PROXY",
    "NO_PROXY",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
    "PATH",
    "PersistedQueryLink",
    "PrometheusRule",
    "RateLimit",
    "POST",
    "PUT",
    "SSL_CERT_FILE",
    "documentId",
    "persistedExchange",
    "requestId",
    "retry_after",
    "rule_files",
}
"""Names of protocols, token issuers, tools and the sandbox."""
METRICS = {name for each in INSTRUMENTS for name in (each.name, *each.labels)}
CLASSES = {*TYPES, *(row[0].strip("`") for row in table("alerts").rows)}
EVENTS = {name for kind in events() for name in (kind.__name__, *kind.__struct_fields__)}


@pytest.mark.parametrize("path", PAGES)
def test_links_lead_somewhere(path: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[path].prose):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        found = (ROOT / path).parent / file if file else ROOT / path
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found.read_text(encoding="utf-8")), target


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", it.lower()).strip().replace(" ", "-") for it in headings}


def test_every_page_is_linked_from_the_readme() -> None:
    targets = set(re.findall(r"\]\(([^)#\s]+)", PAGES["README.md"].text))
    assert {path for path in PAGES if "TEMPLATE" not in path.upper()} <= targets | {"README.md"}


def test_readme_is_short() -> None:
    lines = PAGES["README.md"].text.splitlines()
    assert sum(not line.startswith("|") for line in lines) <= 290


def unknown(page: Page) -> list[str]:
    """Return the inline code in a page that names nothing known."""
    shown = {word for block in page.blocks for word in re.findall(r"\w+", block.text)}
    known = VALUES | FIELDS | KEYS | OUTSIDE | METRICS | EVENTS | CLASSES | shown
    found = []
    for code in page.code:
        if re.fullmatch(r"GATEWAY_\w+", code):
            found += [] if is_variable(code) else [code]
        elif re.fullmatch(
            r"[A-Z]{2,}(_[A-Z]+)*|[a-z]+(_[a-z]+)+|[a-zA-Z][a-z]+([A-Z][a-z]+)+", code
        ):
            found += [] if code in known else [code]
        elif code.startswith(("gateway ", "--")):
            found += [] if code in OUTSIDE or is_command(code) else [code]
    return found


def is_variable(name: str) -> bool:
    """Return whether a ``GATEWAY_`` variable names a setting."""
    schema = SETTINGS
    if name == "GATEWAY_CONFIG":
        return True
    for step in name.removeprefix("GATEWAY_").lower().split("__"):
        if "$ref" in schema:
            schema = SETTINGS["$defs"][schema["$ref"].rpartition("/")[2]]
        if step not in schema.get("properties", {}):
            return False
        schema = schema["properties"][step]
    return True


def is_command(code: str) -> bool:
    """Return whether ``gateway`` has a command, or any command an option."""
    every = {option for command in commands().values() for option in options(command)}
    if code.startswith("--"):
        return code.split(maxsplit=1)[0] in every
    for words, command in commands().items():
        if code.removeprefix("gateway ").startswith(words):
            given = {word for word in shlex.split(code) if word.startswith("--")}
            return given <= {*options(command), "--help"}
    return code.startswith("gateway COMMAND")


@pytest.mark.slow
@pytest.mark.parametrize("path", USER_PAGES)
def test_names_exist_in_the_code(path: str) -> None:
    assert unknown(USER_PAGES[path]) == []


@pytest.mark.parametrize(
    "word",
    [
        "UPSTREAM_TIRED",
        "OperationForgotten",
        "scan_limits",
        "sourceReport",
        "GATEWAY_SERVER__PORTS",
        "gateway list",
        "gateway logs --colour",
        "--colour",
    ],
)
def test_unknown_name_is_detected(word: str) -> None:
    assert unknown(Page("untrue.md", f"Use `{word}`.")) == [word]


def test_addresses_exist_in_the_gateway_or_the_sandbox() -> None:
    text = "".join(page.text for page in USER_PAGES.values())
    assert set(re.findall(r"http://127\.0\.0\.1:\d+/\w+", text)) == {
        "http://127.0.0.1:8000/graphql",
        "http://127.0.0.1:8001/control",
        "http://127.0.0.1:8001/graphql",
    }


def test_required_parts_of_a_vendor_are_named() -> None:
    page = PAGES[".github/CONTRIBUTING.md"].text
    section = page.partition("\n## A vendor\n")[2].partition("\n## ")[0]
    for name in VENDOR_METHODS:
        assert f"`{name}`" in section


PATH = re.compile(r"(?:gateway|tests|\.ci|\.github)/[\w./-]*")


@pytest.mark.parametrize("path", PAGES)
def test_named_files_exist(path: str) -> None:
    named = {code for code in PAGES[path].code if PATH.fullmatch(code) and "NAME" not in code}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_packages_match_the_layers() -> None:
    """The architecture page lists the allowed imports; ``test_layers`` checks them."""
    text = PAGES["gateway/README.md"].text.partition("## What may import what")[2]
    drawn = [set(line.split()) for line in re.findall(r"^    (\S.*)$", text, re.MULTILINE)]
    assert drawn == [rooms - {"__init__"} for rooms in layers.LAYERS]
