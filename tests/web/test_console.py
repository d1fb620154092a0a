"""The console's page, its files and its documents."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import graphql
import httpx
import pytest
from starlette.applications import Starlette

from gateway.config import LimitSettings
from gateway.config.limits import TimeLimit
from gateway.limits import Limits
from gateway.schema import build_schema
from gateway.web.assets import CONSOLE
from gateway.web.console import console_documents, console_routes
from tests.web.test_view import DATA, JSON, QUERY, client_of, made_app, sentence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OWN = Path(__file__).parents[2] / "gateway/web/console"
BUDGET = 60 * 1024
"""Bytes that a browser loads at most, compressed, however much of the console is used."""


@pytest.fixture
async def client(static: Path) -> AsyncIterator[httpx.AsyncClient]:
    del static
    async with client_of(made_app()) as client:
        yield client


def addresses(page: httpx.Response) -> list[str]:
    return re.findall(r'(?:src|href)="([^"]+)"', page.text)


def id_of(name: str) -> str:
    [id_] = [id_ for id_ in console_documents() if id_.endswith(f"-{name}")]
    return id_


# The page


async def test_browsers_get_the_page(client: httpx.AsyncClient) -> None:
    page = await client.get("/", headers=PAGE)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert (await client.head("/", headers=PAGE)).status_code == 200


@pytest.mark.parametrize(
    ("method", "accept"),
    [
        ("GET", "*/*"),
        ("GET", JSON),
        ("GET", "text/html;q=0, */*"),
        ("HEAD", "*/*"),
        ("POST", "text/html"),
        ("DELETE", "*/*"),
    ],
)
async def test_other_clients_are_told_what_they_are_told_without_the_console(
    client: httpx.AsyncClient, method: str, accept: str
) -> None:
    headers = {"accept": accept, "x-request-id": "1"}
    async with client_of(made_app(console=False)) as without:
        told = await without.request(method, "/", headers=headers)
    answer = await client.request(method, "/", headers=headers)
    assert answer.status_code == told.status_code == 404
    assert answer.content == told.content
    assert answer.headers == told.headers


async def test_console_can_be_switched_off(static: Path) -> None:
    del static
    async with client_of(made_app()) as client:
        name = addresses(await client.get("/", headers=PAGE))[0]
    async with client_of(made_app(console=False)) as client:
        assert sentence(await client.get("/", headers=PAGE), 404)
        assert sentence(await client.get(f"/{name}"), 404)
        assert sentence(await client.post("/graphql", json={"documentId": id_of("Me")}), 400)
        assert (await client.get("/graphql", headers=PAGE)).status_code == 200


async def test_policy_allows_own_files_only(client: httpx.AsyncClient) -> None:
    page = await client.get("/", headers=PAGE)
    directives = page.headers["content-security-policy"].split("; ")
    assert dict(directive.split(" ", 1) for directive in directives) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    assert "://" not in page.text
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page.text, re.DOTALL)
    assert [content for _, content in scripts] == [""]
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page.text)


async def test_page_says_how_to_get_the_console(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without npm at install time nothing else is missing."""
    app = Starlette(routes=console_routes(graphiql=True, static=tmp_path))
    async with client_of(app) as client:
        page = await client.get("/", headers=PAGE)
    assert page.status_code == 200
    assert "with Node.js and npm installed, install the gateway again" in page.text
    assert "script" not in page.text
    assert "The console is not built in" in caplog.text


@pytest.mark.parametrize("root_path", ["", "/hooks", "/graphql", "/console"])
async def test_page_works_with_and_without_a_prefix(static: Path, root_path: str) -> None:
    """A proxy may strip the prefix or not; the addresses in the page are relative."""
    del static
    async with client_of(made_app(root_path=root_path)) as client:
        for prefix in {"", root_path}:
            page = await client.get(f"{prefix}/", headers=PAGE)
            assert page.status_code == 200
            assert 'data-endpoint="graphql"' in page.text
            for address in addresses(page):
                assert not address.startswith("/")
                assert (await client.get(str(page.url.join(address)))).status_code == 200


# The files


async def test_files_are_cached_for_good_and_compressed(client: httpx.AsyncClient) -> None:
    page = await client.get("/", headers=PAGE)
    for address in addresses(page):
        file = await client.get(str(page.url.join(address)), headers={"accept-encoding": "gzip"})
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert file.headers["x-content-type-options"] == "nosniff"
        assert file.headers["vary"] == "Accept-Encoding"
        assert file.headers["content-encoding"] == "gzip"
        plain = await client.get(
            str(page.url.join(address)), headers={"accept-encoding": "br, gzip;q=0"}
        )
        assert "content-encoding" not in plain.headers
        assert plain.content == file.content


async def test_page_loads_all_modules_at_once(client: httpx.AsyncClient) -> None:
    """A module that only its importer names is found one round trip later."""
    page = await client.get("/", headers=PAGE)
    names = {address.rpartition("/")[2] for address in addresses(page)}
    own = {path.name for path in OWN.iterdir() if path.suffix in {".js", ".css", ".svg"}}
    assert names == own | {"htm-preact.mjs"}


async def test_console_is_small(client: httpx.AsyncClient) -> None:
    page = await client.get("/", headers=PAGE)
    loaded = [*set(addresses(page)), f"{addresses(page)[0].rpartition('/')[0]}/Delivery.graphql"]
    files = [(await client.get(str(page.url.join(address)))).content for address in loaded]
    assert sum(len(gzip.compress(content)) for content in (page.content, *files)) <= BUDGET


def test_files_are_small_enough_to_read() -> None:
    sizes = {path.name: path.stat().st_size for path in OWN.rglob("*.*")}
    assert {name: size for name, size in sizes.items() if size > 30 * 1024} == {}


async def test_licenses_are_served(client: httpx.AsyncClient) -> None:
    page = await client.get("/", headers=PAGE)
    folder = page.url.join(addresses(page)[0]).join(".")
    for asset in CONSOLE:
        assert (await client.get(str(folder.join(asset.name)))).status_code == 200


# The documents


def test_every_document_is_one_operation_named_as_its_file() -> None:
    for id_, text in console_documents().items():
        [operation, *others] = [
            definition
            for definition in graphql.parse(text).definitions
            if isinstance(definition, graphql.OperationDefinitionNode)
        ]
        assert others == []
        assert operation.name
        assert operation.name.value == id_.rpartition("-")[2]


async def test_documents_run_where_only_trusted_ones_do(static: Path, tmp_path: Path) -> None:
    """Introspection is off as well; the configured documents go on working, others do not."""
    del static
    manifest = tmp_path / "trusted.json"
    manifest.write_text(json.dumps({"own": QUERY}))
    trusted = {"trusted": [str(manifest)]}
    async with client_of(made_app(introspection=False, documents=trusted)) as client:

        async def post(**asked: Any) -> httpx.Response:
            return await client.post("/graphql", json=asked)

        page = await client.get("/", headers=PAGE)
        assert f'data-documents="{id_of("Me").removesuffix("-Me")}"' in page.text
        for name in ("Me", "Deliveries", "Delivery", "Retry"):
            answer = (await post(documentId=id_of(name), operationName=name)).json()
            codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
            # Some have required variables, and the vendor refuses all calls.
            assert codes <= {
                "GRAPHQL_VALIDATION_FAILED",
                "ALL_SOURCES_FAILED",
                "UPSTREAM_FORBIDDEN",
            }
            assert all("Cannot query" not in error["message"] for error in answer.get("errors", ()))
        assert (await post(documentId="own")).json() == DATA
        assert sentence(
            await post(query=console_documents()[id_of("Me")]), 403, "DOCUMENT_NOT_TRUSTED"
        )
        assert sentence(await post(documentId="sha256:0"), 404, "DOCUMENT_NOT_TRUSTED")


def test_documents_fit_the_schema_and_the_limits() -> None:
    documents = build_schema(Limits(LimitSettings(), TimeLimit())).documents
    for text in console_documents().values():
        assert documents.get(text).errors == []
