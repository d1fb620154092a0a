from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from typing import TYPE_CHECKING

import graphql
import httpx
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.web.assets import EXPLORER, SCRIPTS, STYLES
from gateway.web.explorer import CDN, example_operations, explorer_page, explorer_routes

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from starlette.requests import Request
    from starlette.responses import Response

MEDIA_TYPES = {"css": "text/css", "js": "text/javascript", "txt": "text/plain"}


def client(folder: Path, path: str = "/graphql") -> httpx.AsyncClient:
    async def page(_request: Request) -> Response:
        return explorer_page(path, static=folder)

    app = Starlette(routes=[Route(path, page), *explorer_routes(path, static=folder)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")


async def page_of(folder: Path, path: str = "/graphql") -> httpx.Response:
    async with client(folder, path) as http:
        return await http.get(path)


def policy_of(page: httpx.Response) -> dict[str, str]:
    directives = page.headers["content-security-policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


def addresses(page: httpx.Response) -> list[str]:
    return re.findall(r'<(?:script|link rel="stylesheet")[^>]* (?:src|href)="([^"]+)"', page.text)


async def test_policy_allows_the_gateway_only(static: Path) -> None:
    page = await page_of(static)
    nonce = re.findall(r'nonce="([^"]+)"', page.text)
    assert len(nonce) == 1
    assert policy_of(page) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": f"'self' 'nonce-{nonce[0]}'",
        "connect-src": "'self'",
        "font-src": "data:",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert "://" not in page.text


async def test_page_is_not_stored_and_sends_no_referrer(tmp_path: Path) -> None:
    page = await page_of(tmp_path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"


async def test_every_page_has_its_own_nonce(tmp_path: Path) -> None:
    policies = {policy_of(await page_of(tmp_path))["style-src"] for _ in range(3)}
    assert len(policies) == 3


async def test_page_has_no_inline_scripts_or_styles(static: Path) -> None:
    page = await page_of(static)
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page.text, re.DOTALL)
    assert len(scripts) == page.text.count("<script") == 4
    assert all("src=" in attributes and content == "" for attributes, content in scripts)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page.text)


async def test_files_of_the_page_are_served_and_cacheable(static: Path) -> None:
    page = await page_of(static)
    names = [address.rsplit("/", 1)[1] for address in addresses(page)]
    assert names == [
        *(asset.name for asset in STYLES),
        "explorer.css",
        *(asset.name for asset in SCRIPTS),
        "explorer.js",
    ]
    async with client(static) as http:
        for address in addresses(page):
            response = await http.get(page.url.join(address))
            assert response.status_code == 200
            media_type = MEDIA_TYPES[address.rsplit(".", 1)[1]]
            assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_third_party_files_match_their_pins(static: Path) -> None:
    page = await page_of(static)
    folder = page.url.join(addresses(page)[0]).join(".")
    async with client(static) as http:
        for asset in EXPLORER:
            content = (await http.get(folder.join(asset.name))).content
            digest = base64.b64encode(hashlib.sha384(content).digest()).decode()
            assert f"sha384-{digest}" == asset.integrity


async def test_missing_files_come_pinned_from_the_cdn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    page = await page_of(tmp_path)
    for asset in (*STYLES, *SCRIPTS):
        address = f"{CDN}/{asset.package}/{asset.member}"
        assert f'="{address}" integrity="{asset.integrity}" crossorigin="anonymous">' in page.text
    foreign = [address for address in addresses(page) if "://" in address]
    assert len(foreign) == 4
    policy = policy_of(page)
    assert policy["script-src"].split(" ") == ["'self'", *foreign[1:]]
    assert policy["style-src"].split(" ")[:-1] == ["'self'", foreign[0]]
    assert "GraphiQL is not built in" in caplog.text


async def test_one_damaged_file_switches_to_the_cdn(static: Path, tmp_path: Path) -> None:
    for asset in EXPLORER:
        (tmp_path / asset.name).write_bytes((static / asset.name).read_bytes())
    (tmp_path / "graphiql.min.js").write_text("damaged")
    page = await page_of(tmp_path)
    own = [address for address in addresses(page) if "://" not in address]
    assert [address.rsplit("/", 1)[1] for address in own] == ["explorer.css", "explorer.js"]
    async with client(tmp_path) as http:
        assert (await http.get(page.url.join(own[0]))).status_code == 200
        damaged = page.url.join(own[0]).join("graphiql.min.js")
        assert (await http.get(damaged)).status_code == 404


async def test_addresses_are_relative_to_the_page(static: Path) -> None:
    """A proxy may serve the page below a prefix that the gateway does not know."""
    for path in ("/graphql", "/api/graphql"):
        page = await page_of(static, path)
        assert 'data-url="graphql"' in page.text
        assert all(address.startswith("graphql/static/") for address in addresses(page))
        async with client(static, path) as http:
            for address in addresses(page):
                assert (await http.get(page.url.join(address))).status_code == 200


async def test_page_contains_the_examples(tmp_path: Path) -> None:
    page = await page_of(tmp_path)
    [held] = re.findall(r'data-examples="([^"]*)"', page.text)
    assert tuple(json.loads(html.unescape(held))) == example_operations()


def test_every_example_is_one_named_operation() -> None:
    names = []
    for example in example_operations():
        [operation] = graphql.parse(example).definitions
        assert isinstance(operation, graphql.OperationDefinitionNode)
        assert operation.name
        names.append(operation.name.value)
    assert names == [
        *("NewestFailures", "FailureGroups", "Statistics"),
        *("OneSource", "OneLog", "SourcesAndHooks", "Retry"),
    ]
