"""Attacks: requests that would exhaust a server without limits."""

from __future__ import annotations

import gzip
import json
from typing import NamedTuple

JSON = "application/json"
LARGE = 20 * 10**6


class Attack(NamedTuple):
    """A request, with the expected status and code of its response."""

    name: str
    content: bytes
    status: int
    code: str
    headers: tuple[tuple[str, str], ...] = ()


def document(name: str, text: str, code: str = "LIMIT_EXCEEDED", status: int = 400) -> Attack:
    return Attack(name, json.dumps({"query": text}).encode(), status, code)


def variables(name: str, text: str, code: str = "LIMIT_EXCEEDED") -> Attack:
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    return Attack(name, f'{{"query": "{query}", "variables": {text}}}'.encode(), 400, code)


def fragments(count: int, spreads: int, inside: str = "__typename") -> str:
    """Return a document of fragments that each spread the next one several times."""
    links = " ".join(
        f"fragment F{n} on Query {{ {f'...F{n + 1} ' * spreads} }}" for n in range(count)
    )
    return f"{{ ...F0 }} {links} fragment F{count} on Query {{ {inside} }}"


def siblings(count: int, inside: str, on: str = "Query") -> str:
    """Return a document of equal fragments that are spread in one selection, with one mistake."""
    spreads = " ".join(f"...F{n}" for n in range(count))
    beginning = f"{{ {spreads} }}" if on == "Query" else f"{{ nowhere sources {{ {spreads} }} }}"
    fragments = [f"fragment F{n} on {on} {{ {inside} }}" for n in range(count)]
    return " ".join([beginning, *fragments])


def batch(count: int) -> bytes:
    return json.dumps([{"query": "{ __typename }"}] * count).encode()


INVALID = "GRAPHQL_VALIDATION_FAILED"
BAD = "BAD_REQUEST"

ATTACKS = [
    # Large documents.
    document("10,000 levels of braces", "{" * 10_000, "GRAPHQL_PARSE_FAILED"),
    document("10,000 levels of fields", "{a" * 10_000 + "}" * 10_000, "GRAPHQL_PARSE_FAILED"),
    document("levels within the tokens", "{sources" * 100 + "{name}" + "}" * 100),
    document("10,000 lists in each other", "{node(id:" + "[" * 10_000, "GRAPHQL_PARSE_FAILED"),
    document("10,000 aliases", "{" + " ".join(f"a{n}:x" for n in range(10_000)) + "}"),
    document("5,000 aliases", "{" + " ".join(f"a{n}:x" for n in range(5_000)) + "}"),
    document("aliases within the tokens",
             "{" + " ".join(f"a{n}:__typename" for n in range(330)) + "}"),
    document("10,000 aliases of a list",
             "{" + " ".join(f"a{n}:webhookLogs{{nodes{{id}}}}" for n in range(10_000)) + "}",
             status=413),
    document("100,000 directives", "{ __typename " + "@skip(if:true) " * 100_000 + "}",
             status=413),
    document("directives within the tokens", "{ __typename " + "@a " * 490 + "}"),
    document("unknown directives on variables",
             "query ($a: Int " + "@b " * 400 + ") { __typename }"),
    document("a field again and again", "{" + "sources{name}" * 240 + "}"),
    document("a field again in inline fragments", "{" + "...{sources{name}}" * 140 + "}"),
    document("40,000 tokens", "{" + "a " * 20_000 + "}"),
    document("20,000 comments", "{ __typename }" + "#\n" * 20_000),
    document("200,000 characters of text", '{ source(name: "' + "x" * 200_000 + '") { name } }'),
    document("200,000 blanks", "{ __typename " + " " * 200_000 + "}"),
    document("19 unknown fields", "{" + " ".join(f"x{n}" for n in range(19)) + "}", INVALID),
    document("unknown fields deep down",
             "{ viewer { " + " ".join(f"x{n}" for n in range(900)) + " } }", INVALID),
    document("a number of 5,000 digits",
             "{ webhookLogs(first: " + "9" * 5_000 + ") { totalCount } }", INVALID),
    document("ids of 5,000 digits", "{ node(id: " + "9" * 5_000 + ") { id } }", "INVALID_ID", 200),
    # Fragments.
    document("a circle of one", "{ ...A } fragment A on Query { ...A }", INVALID),
    document("a circle of many", fragments(80, 1, "...F0"), INVALID),
    document("a circle with aliases",
             "{ ...A } fragment A on Query { ...A " + "a:__typename " * 200 + "}", INVALID),
    document("doubling", fragments(60, 2, "sources { name }")),
    document("tenfold", fragments(20, 10, "sources { name }")),
    document("doubling without operation", fragments(60, 2, "a: __typename").partition("}")[2]),
    document("one in many places", siblings(80, "sources{name}")),
    document("many in one place", siblings(75, "health{status}", on="Source"), INVALID),
    document("a long chain", fragments(90, 1, "nowhere"), INVALID),
    # Large responses.
    document("pages in pages", "{ sources { logs(first: 100) { nodes { source { logs(first: 100)"
             " { nodes { source { logs(first: 100) { nodes { id } } } } } } } } } }"),
    document("details of every log", "{ sources { logs(first: 100) { nodes { request { headers"
             " { name } body } response { headers { name } } hook { source { hooks(first: 100)"
             " { nodes { id name url } } } } } } } }"),
    document("introspection of types of types of types", "{ __schema { types { fields { type {"
             " fields { type { fields { name } } } } } } } }", INVALID),
    document("introspection again and again", "{" + " ".join(
        f"a{n}:__schema{{...S}}" for n in range(20)) + "} fragment S on __Schema { types { name"
        " fields { name args { name type { name fields { name } } } type { name fields { name } } }"
        " possibleTypes { name fields { name } } } }"),
    # Variables.
    variables("100,000 variables in each other",
              '{"ids": ' + "[" * 100_000 + "]" * 100_000 + "}", BAD),
    variables("300 variables in each other", '{"ids": ' + "[" * 300 + "]" * 300 + "}"),
    variables("objects in each other", '{"ids": ' + '{"a":' * 100 + "1" + "}" * 101),
    variables("a long text", '{"ids": ["' + "x" * 100_000 + '"]}'),
    Attack("15,000 filters", json.dumps({
        "query": "query ($f: WebhookLogFilter) { webhookLogs(filter: $f) { totalCount } }",
        "variables": {"f": {"and": [{}] * 15_000}}}).encode(), 400, "LIMIT_EXCEEDED"),
    variables("10,000 ids", '{"ids": [' + ",".join(['"x"'] * 10_000) + "]}"),
    variables("a variable of 5,000 digits", '{"ids": [' + "1" * 5_000 + "]}", BAD),
    variables("a variable of 4,000 digits", '{"ids": [1.' + "1" * 4_000 + "]}", INVALID),
    variables("a key twice", '{"ids": [], "ids": ["x"]}', BAD),
    variables("80,000 objects", '{"ids": [' + "{}," * 80_000 + "{}]}"),
    variables("lists of lists", '{"ids": [' + "[],[[]]," * 30_000 + "[]]}"),
    # Bodies.
    Attack("20 MB", b'{"query": "' + b"x" * LARGE + b'"}', 413, "LIMIT_EXCEEDED"),
    Attack("20 MB of blanks", b" " * LARGE, 413, "LIMIT_EXCEEDED"),
    Attack("a batch of 10,000", batch(10_000), 413, "LIMIT_EXCEEDED"),
    Attack("a batch of 7,000", batch(7_000), 400, BAD),
    Attack("100,000 lists in each other", b"[" * 100_000, 400, BAD),
    Attack("10,000 keys twice", b"{" + b'"a":1,' * 10_000 + b'"a":1}', 400, BAD),
    Attack("invalid UTF-8", b'{"query": "{ \xff }"}', 400, BAD),
    Attack("overlong UTF-8", b'{"query": "\xc0\xaf"}', 400, BAD),
    Attack("half a character", b'{"query": "\\ud800"}', 400, BAD),
    Attack("half of UTF-16", '{"query": "{ __typename }"}'.encode("utf-16")[:-1], 400, BAD),
    Attack("a bomb in gzip", gzip.compress(b" " * LARGE), 415, BAD,
           headers=(("Content-Encoding", "gzip"),)),
    Attack("a bomb in deflate", gzip.compress(b"0" * LARGE), 415, BAD,
           headers=(("Content-Encoding", "deflate, gzip"),)),
    # Heads.
    Attack("1,000 headers", b"{}", 431, "LIMIT_EXCEEDED",
           headers=tuple((f"X-{n}", "x") for n in range(1_000))),
    Attack("a header of 70,000 bytes", b"{}", 431, "LIMIT_EXCEEDED",
           headers=(("X", "x" * 70_000),)),
    Attack("a header of 1 MB", b"{}", 431, "LIMIT_EXCEEDED", headers=(("X", "x" * 10**6),)),
    Attack("60,000 parameters of a media type", json.dumps({"query": "{ nowhere }"}).encode(), 400,
           INVALID, headers=(("Content-Type", f'{JSON};a="' + ";" * 60_000),)),
    Attack("10,000 media types", json.dumps({"query": "{ nowhere }"}).encode(), 406, BAD,
           headers=(("Accept", "text/html;q=0.1," * 3_000),)),
]  # fmt: skip
