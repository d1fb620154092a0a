"""Accept, Content-Type, charsets and their parameters, in the forms that RFC 9110 allows.

A wrong refusal here would exclude a conforming client.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.web.media_types import parse, parse_list, preferred, split
from tests.web.test_view import DATA, QUERY, client_of, made_app, post, sentence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.applications import Starlette

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
BODY = json.dumps({"query": QUERY}).encode()


@pytest.fixture(scope="module")
def app() -> Starlette:
    return made_app()


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        # Java's HttpURLConnection, and similar forms.
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", JSON),
        ("*", JSON),
        ("*;q=0.1", JSON),
        ("text/html, *", JSON),
        # Weights in all forms.
        (f"{JSON};q=.5", JSON),
        (f"{JSON};q=1.", JSON),
        (f"{JSON};q=1.000", JSON),
        (f"{JSON};q=0.123", JSON),
        (f"{JSON};q=2", JSON),
        (f'{JSON};q="0.5"', JSON),
        (f"{JSON} ; q = 0.5", JSON),
        (f"{JSON}\t;\tq=0.5", JSON),
        (f"{JSON};q=.1,{GRAPHQL};q=.2", GRAPHQL),
        (f"{JSON};q=0, {JSON};version=1", JSON),
        # Commas and semicolons in quoted strings separate nothing.
        (f'text/plain;a="x, {JSON};q=0", {GRAPHQL}', GRAPHQL),
        (f'{JSON};profile="a;q=0"', JSON),
        (f'{JSON};profile="a\\";q=0,"', JSON),
        # Parameters, empty elements and case.
        (f"{JSON};charset=UTF-8", JSON),
        (f"{JSON};indent=4;q=0.8", JSON),
        (f"{JSON};", JSON),
        (f",, {JSON} ,", JSON),
        ("Application/*;Q=1", JSON),
        (f"{GRAPHQL.upper()};charset=utf-8", GRAPHQL),
        # Clients as they are.
        ("application/json, text/plain, */*", JSON),  # axios
        ("application/graphql-response+json, application/graphql+json, application/json,"
         " text/event-stream, multipart/mixed", GRAPHQL),  # urql
        ("multipart/mixed;deferSpec=20220824, application/graphql-response+json,"
         " application/json", GRAPHQL),  # Apollo Kotlin
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", JSON),
    ],
)  # fmt: skip
async def test_accept_of_a_client_is_understood(
    client: httpx.AsyncClient, accept: str, chosen: str
) -> None:
    response = await client.post("/graphql", json={"query": QUERY}, headers={"accept": accept})
    assert response.headers["content-type"] == f"{chosen}; charset=utf-8"
    assert response.json() == DATA


@pytest.mark.parametrize(
    "accept",
    [
        "*;q=0",
        f"{JSON};q=.0",
        f'{JSON};q="0"',
        f'text/plain;a="{JSON}"',
        f'text/plain;a="x,{JSON}',
        f"{JSON};q=-1",
        f"{JSON};q=",
    ],
)
async def test_unaccepted_media_type_is_not_sent(client: httpx.AsyncClient, accept: str) -> None:
    response = await client.post("/graphql", json={"query": QUERY}, headers={"accept": accept})
    assert sentence(response, 406)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (f"{JSON}; charset=utf-8", JSON),
        ("APPLICATION/JSON", JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, {JSON}", GRAPHQL),
        (f"{JSON}, {GRAPHQL}", GRAPHQL),
        (f"{JSON};q=0.9,{GRAPHQL};q=0.8", JSON),
        (f"{JSON};q=0.5, */*;q=0.9", GRAPHQL),
        (f"{JSON} ;; profile=a ; Q=0.5 , */*;q=0.6", GRAPHQL),
        (f"{JSON};q=0, */*", GRAPHQL),
        (f"{GRAPHQL};q=0, */*", JSON),
        (f"{GRAPHQL};q=x, {JSON};q=0.1", JSON),
        (f"{GRAPHQL};q=nan, {JSON};q=0.1", JSON),
        (f"{GRAPHQL};q=1e9, {JSON};q=0.1", JSON),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        (f"{GRAPHQL}, application/graphql+json, {JSON}, text/event-stream", GRAPHQL),
        ("text/html", None),
        ("text/*", None),
        ("application/jsonx", None),
        ("application/json-seq", None),
        (f"{JSON};q=0", None),
        ("*/*;q=0.0", None),
        (";;,,=", None),
        (f"text/plain;x={JSON}", None),
    ],
)
async def test_response_has_an_accepted_media_type(
    client: httpx.AsyncClient, accept: str | None, chosen: str | None
) -> None:
    del client.headers["accept"]
    headers = {} if accept is None else {"accept": accept}
    response = await client.post("/graphql", json={"query": QUERY}, headers=headers)
    if chosen is None:
        assert sentence(response, 406) == f"This endpoint answers with {GRAPHQL} or {JSON}."
    else:
        assert response.headers["content-type"] == f"{chosen}; charset=utf-8"
        assert response.json() == DATA


async def test_several_accept_lines_form_one_list(client: httpx.AsyncClient) -> None:
    lines = [("accept", "text/html"), ("accept", f"{GRAPHQL};q=0.5")]
    response = await client.post("/graphql", json={"query": QUERY}, headers=lines)
    assert response.headers["content-type"] == f"{GRAPHQL}; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        ("text/html", True),
        ("TEXT/HTML;q=.9", True),
        ("text/*", True),
        ("application/xhtml+xml, */*;q=0.1", True),
        ("text/html;q=0, */*", False),
        ('text/plain;a="text/html", */*', False),
        ("text/htmlx, */*", False),
        ("*", False),
    ],
)
async def test_explorer_is_sent_to_clients_that_accept_html(
    client: httpx.AsyncClient, accept: str, page: bool
) -> None:
    response = await client.get("/graphql", headers={"accept": accept})
    assert (response.status_code == 200) is page


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json;charset=utf8",
        "application/json; charset=UTF8",
        "application/json; charset = utf-8",
        "application/json;charset=us-ascii",
        "application/json;charset=UTF_8",
        "application/json;charset='utf-8'",
        "application/json;charset=utf8mb4",
        "application/json;charset=ANSI_X3.4-1968",
        "application/json;charset=unicode-1-1-utf-8",
        "application/json;charset=ISO-8859-1",
        "application/json; charset=windows-1252",
        'application/json;profile="a;charset=x"',
        'application/json; charset="utf\\-8"',
        "application/json;charset=",
        "application/json;",
        "application/json ; ; charset=utf-8",
        "\tapplication/json",
        "application/json, application/json",
        "application/json;charset=utf-8, application/json;charset=utf-8",
        "text/json",
        "application/vnd.example.v1+json",
        "application/graphql-response+json",
    ],
)
async def test_every_json_media_type_is_accepted(
    client: httpx.AsyncClient, content_type: str
) -> None:
    """None of these can come from a page of another site without permission."""
    response = await post(client, BODY, content_type=content_type)
    assert response.json() == DATA


async def test_content_type_in_two_lines(client: httpx.AsyncClient) -> None:
    """Some proxies add a duplicate line."""
    for types, ok in (((JSON, JSON), True), ((JSON, "text/plain"), False)):
        lines = [("content-type", one) for one in types]
        response = await client.post("/graphql", content=BODY, headers=lines)
        assert (response.status_code == 200) is ok


@pytest.mark.parametrize(
    "content_type",
    ["+json", "application/+json", "application", "text/plain;x=+json", "json", "text/plain+jsonx"],
)
async def test_other_media_types_are_refused(client: httpx.AsyncClient, content_type: str) -> None:
    assert sentence(await post(client, BODY, content_type=content_type), 415)


FAULTY = '{"query": "{ ü }"}'


@pytest.mark.parametrize(
    ("encoding", "charset"),
    [
        ("utf-8-sig", None),
        ("utf-8-sig", "utf-8"),
        ("utf-16", None),
        ("utf-16", "utf-16"),
        ("utf-16-le", None),
        ("utf-16-le", "utf-16le"),
        ("utf-16-be", None),
        ("utf-32", None),
        ("utf-32-be", "utf-32"),
        ("utf-16", "utf-8"),
        ("latin-1", "iso-8859-1"),
        ("latin-1", "Latin1"),
        ("cp1252", "windows-1252"),
        ("iso8859-15", "ISO-8859-15"),
    ],
)
async def test_encoding_of_the_body_is_detected(
    client: httpx.AsyncClient, encoding: str, charset: str | None
) -> None:
    """A byte order mark, UTF-16 from .NET's Encoding.Unicode, Latin-1 from Apache HttpClient."""
    content_type = f"{JSON}; charset={charset}" if charset else JSON
    response = await post(client, FAULTY.encode(encoding), content_type=content_type)
    assert "U+00FC" in sentence(response, 200, "GRAPHQL_PARSE_FAILED")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"query": "\xff"}', "The body is not text in UTF-8."),
        (b"\xff\xfe{", "The body is not text in UTF-16."),
        (b"\xff\xfe\x00\xd8\x00\xd8", "The body is not text in UTF-16."),
        (b"\xef\xbb\xbf", "The body is not JSON that can be read."),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "The body is not JSON that can be read."),
        (b"[" * 100_000, "The body holds lists or objects too deep in one another."),
    ],
)
async def test_refusal_of_a_body_names_its_fault(
    client: httpx.AsyncClient, body: bytes, said: str
) -> None:
    assert sentence(await post(client, body), 400) == said


async def test_byte_order_mark_in_a_parameter(client: httpx.AsyncClient) -> None:
    response = await client.get("/graphql", params={"query": QUERY, "variables": "\ufeff{}"})
    assert response.json() == DATA


@pytest.mark.parametrize("coding", ["identity", "Identity", " identity ", "", "identity, identity"])
async def test_identity_coding_is_accepted(client: httpx.AsyncClient, coding: str) -> None:
    response = await post(client, BODY, content_encoding=coding)
    assert response.json() == DATA


async def test_refusal_of_a_content_coding_names_the_accepted_ones(
    client: httpx.AsyncClient,
) -> None:
    response = await post(client, BODY, content_encoding="gzip")
    assert response.status_code == 415
    assert response.headers["accept-encoding"] == "identity"


def test_headers_are_split_outside_of_quoted_strings() -> None:
    assert split('a;b="1,2" , ,"c\\",d",e', ",") == ['a;b="1,2"', '"c\\",d"', "e"]
    assert split('"a,b', ",") == ['"a,b']
    assert split('"a,b\\', ",") == ['"a,b\\']
    assert split("", ",") == []


def test_parameters_keep_their_values() -> None:
    assert parse(' A/B ; C = "D;\\"E" ; f ; c=x').parameters == {"c": 'D;"E', "f": ""}
    assert parse("").name == ""
    assert parse(";a=b") == ("", {"a": "b"})
    assert preferred(parse_list([])) == JSON


@pytest.mark.slow
@pytest.mark.parametrize("tail", [";" * 10**6, '\\"' * 10**6, '"' * 10**6, '";"' * 10**6])
def test_parsing_takes_linear_time(tail: str) -> None:
    """Scanning to the end for each parameter would take hours."""
    assert parse(f'{JSON};a="{tail}').name == JSON
    assert len(split(f'a"{tail}', ",")) == 1
