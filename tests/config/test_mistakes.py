"""Mistakes in the configuration: the sentence for each, without any value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import json_schema
from gateway.vendors import VENDORS
from tests.config.documents import DATA, SOURCES, problems, read, table


def providers() -> str:
    """Return the vendors as a sentence lists them."""
    *others, last = (f'"{name}"' for name in sorted(VENDORS))
    return f"{', '.join(others)} or {last}"


def mistakes() -> Iterator[Any]:
    """Yield the document and the sentence of each block in mistakes.txt."""
    text = (DATA / "mistakes.txt").read_text(encoding="utf-8")
    for block in text.split("\n\n")[1:]:
        kind, *indented, sentence = block.strip().splitlines()
        lines = [line.removeprefix("    ") for line in indented]
        if kind == "document":
            parts = [table(line[1:]) if line[0] == "@" else f"{line}\n" for line in lines]
            document = "".join(parts)
        else:
            changes = dict(line.split(" =", 1) for line in lines)
            document = table(kind, **{key: value.strip() for key, value in changes.items()})
            if not sentence.startswith("sources["):
                sentence = f'sources[0] "{kind}": {sentence}'
        sentence = sentence.replace("@providers", providers())
        yield pytest.param(document, sentence, id=" ".join([kind, *lines]))


@pytest.mark.slow
@pytest.mark.parametrize(("document", "sentence"), list(mistakes()))
def test_one_mistake(folder: Path, document: str, sentence: str) -> None:
    (folder / "blank").write_text(" \n")
    (folder / "binary").write_bytes(b"\xff")
    (folder / "two-lines").write_text("pla1nted\nsecret\n")
    assert problems(document, EMPTY="") == [f"gateway.toml: {sentence}"]


KEYS = f"""
[auth]
methods = ["api-keys"]
keys = [{{ name = "a", role = "viewer", hash = "sha256:{"0" * 64}" }}]
"""


TOKENS = """
[auth]
methods = ["jwt"]
jwt = { issuer = "a", audience = "b", jwks_url = "https://id.example/keys" }
"""


@pytest.mark.parametrize(
    ("auth", "header", "fits"),
    [
        ("", "Authorization", True),
        (KEYS, "authorization", False),
        (KEYS, "X-Api-Key", False),
        (KEYS, "X-Shop-Authorization", True),
        (TOKENS, "Authorization", False),
        (TOKENS, "X-Api-Key", True),
    ],
)
def test_gateway_credentials_are_not_passed_to_a_vendor(auth: str, header: str, fits: bool) -> None:
    document = auth + table("shop", auth=f'{{ type = "pass-through", header = "{header}" }}')
    if fits:
        read(document)
        return
    assert problems(document) == [
        'gateway.toml: sources[0] "shop": auth.header is the header of the caller\'s key or token'
        " for the gateway, which no vendor may see: choose another"
    ]


def test_all_mistakes_are_reported_at_once() -> None:
    document = (
        "[server]\nprot = 9000\n"
        + table("shop", auth='{ type = "client-credentials", client_id = { env = "EP_ID" } }')
        + table("tracker", org_id="", base_url='"https//tracker"')
        + table("shop", provider='"shopify"')
    )
    assert [problem.split(" ")[:4] for problem in problems(document)] == [
        ["gateway.toml:", "sources[2]", '"shop":', "name"],
        ["gateway.toml:", "server.prot", "is", "unknown:"],
        ["gateway.toml:", "sources[0]", '"shop":', "auth.client_secret"],
        ["gateway.toml:", "sources[1]", '"tracker":', "base_url"],
        ["gateway.toml:", "sources[1]", '"tracker":', "org_id"],
        ["gateway.toml:", "sources[2]", '"shop":', "provider"],
    ]


WRONG = (
    *('"pla1nted"', '""', "-1", "0.5", "nan", "true", "1979-05-27", "[]", "{}", "[{}]", "[[1]]"),
    *('["pla1nted"]', '{ pla1nted = "pla1nted" }', '{ env = "pla1nted" }', '{ file = "pla1nted" }'),
    '"https://pla1nted:pla1nted@host"',
)


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
def test_every_key_explains_every_wrong_value(source: str) -> None:
    forms = [form["properties"] for form in json_schema()["$defs"].values()]
    provider = json.loads(SOURCES[source]["provider"])
    (keys,) = (form for form in forms if form.get("provider", {}).get("const") == provider)
    wrong = [(key, value) for key in keys for value in WRONG]
    wrong += [
        ("auth", f'{{ type = "{form["type"]["const"]}", {key} = {value} }}')
        for form in forms
        for key in form.keys() - {"type"}
        for value in WRONG
        if "type" in form
    ]
    sentences = problems(
        "".join(
            table(source, **{"name": f'"n{index}"', key: value})
            for index, (key, value) in enumerate(wrong)
        )
    )
    assert len(sentences) > len(wrong) / 2
    for sentence in sentences:
        # Sentences repeat only the names of sources and the keys of tables.
        said = re.sub(r'(sources\[\d+\] "|triggers\.|auth\.|cache\.)pla1nted', "", sentence)
        assert "pla1nted" not in said
        assert sentence.startswith("gateway.toml: sources[")
        assert not re.search("Input|Value error|pydantic|type=|NoneType", sentence)
