"""The gateway behind a proxy that serves it under a path, such as ``/hooks/``."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pytest

from tests.web.test_view import DATA, QUERY, client_of, made_app, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import NoReturn

    from playwright.sync_api import Browser
    from starlette.types import ASGIApp

    Serve = Callable[[ASGIApp], str]

PAGE = {"accept": "text/html"}


def addresses(page: httpx.Response) -> list[str]:
    """Return the addresses of the gateway in a page, as a browser resolves them."""
    found = re.findall(r'(?:src|href|data-url)="([^"]+)"', page.text)
    resolved = [urljoin(str(page.url), address) for address in found if "data:" not in address]
    return [address for address in resolved if address.startswith(str(page.url.join("/")))]


@pytest.mark.parametrize("root_path", ["", "/hooks", "/a/b.c/~d", "/graphql"])
async def test_paths_are_served_with_and_without_the_prefix(root_path: str) -> None:
    """Health checks bypass the proxy, and a proxy may or may not strip the prefix."""
    async with client_of(made_app(root_path=root_path)) as client:
        for prefix in {"", root_path}:
            posted = await client.post(f"{prefix}/graphql", json={"query": QUERY})
            assert posted.json() == DATA
            got = await client.get(f"{prefix}/graphql", params={"query": QUERY})
            assert got.json() == DATA
            for path in ("/healthz", "/readyz"):
                assert (await client.get(f"{prefix}{path}")).status_code == 200
            page = await client.get(f"{prefix}/graphql", headers=PAGE)
            assert len(addresses(page)) >= 3
            for address in addresses(page):
                assert (await client.get(address, headers=PAGE)).status_code == 200


async def test_other_prefixes_are_not_served() -> None:
    """A proxy may pass on other paths without the protection that it has for /graphql."""
    async with client_of(made_app(root_path="/hooks")) as client:
        for path in ("/hook/graphql", "/hooks2/graphql", "/hooksgraphql", "/hooks/hooks/graphql"):
            asked = {"X-Forwarded-Prefix": path.removesuffix("/graphql")}
            answer = await client.post(path, json={"query": QUERY}, headers=asked)
            assert sentence(answer, 404)


async def test_cors_applies_below_the_prefix() -> None:
    origin = "https://app.example.com"
    app = made_app(root_path="/hooks", cors_origins=[origin])
    async with client_of(app) as client:
        for path in ("/graphql", "/hooks/graphql"):
            asked = {"origin": origin, "access-control-request-method": "POST"}
            answer = await client.options(path, headers=asked)
            assert answer.headers["access-control-allow-origin"] == origin


# A real proxy


NGINX = """
daemon off;
error_log stderr;
pid {folder}/pid;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location /hooks/ {{ proxy_pass {gateway}{path}; }}
    }}
}}
"""


@pytest.fixture(params=["stripped", "kept"])
def proxied(
    request: pytest.FixtureRequest,
    serve: Serve,
    absent: Callable[[str], NoReturn],
    tmp_path: Path,
) -> Iterator[str]:
    """Run nginx in front of a gateway, and yield the URL at which it serves the gateway."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if nginx is None:
        absent("nginx is not installed")
    strips = request.param == "stripped"
    gateway = serve(made_app(root_path="" if strips else "/hooks"))
    with httpx.Client() as client:
        for port in range(20_100, 20_200):
            config = tmp_path / "nginx.conf"
            config.write_text(
                NGINX.format(
                    folder=tmp_path, port=port, gateway=gateway, path="/" if strips else ""
                )
            )
            with subprocess.Popen(  # noqa: S603
                [nginx, "-e", "stderr", "-c", config],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            ) as process:
                try:
                    if _is_up(client, f"http://127.0.0.1:{port}/hooks", process):
                        yield f"http://127.0.0.1:{port}/hooks"
                        return
                finally:
                    process.terminate()
    pytest.fail("nginx did not start")


def _is_up(client: httpx.Client, url: str, process: subprocess.Popen[str]) -> bool:
    """Wait until the proxy answers, or ends because its port is taken."""
    while process.poll() is None:
        try:
            if client.get(f"{url}/healthz").json() == {"status": "ok"}:
                return True
        except httpx.ConnectError:
            continue
    assert process.stderr is not None
    complaint = process.stderr.read()
    assert "Address already in use" in complaint, complaint
    return False


def test_explorer_works_behind_nginx(browser: Browser, static: Path, proxied: str) -> None:
    """The page must not request /graphql or /graphql/static, which the proxy does not serve."""
    del static
    with browser.new_context() as context:
        page = context.new_page()
        failed: list[Any] = []
        page.on("response", lambda answer: failed.append(answer.url) if not answer.ok else None)
        page.goto(f"{proxied}/graphql")
        page.get_by_role("tab", name="SourcesAndHooks").click()
        with page.expect_response(
            lambda answer: "SourcesAndHooks" in (answer.request.post_data or "")
        ) as answered:
            page.get_by_role("button", name="Execute query").click()
        assert answered.value.url == f"{proxied}/graphql"
        assert answered.value.json()["data"]["sources"][0]["name"] == "translations"
        assert failed == []
