"""The tutorial about descriptions, walked like a reader does, over a fake of its made-up API.

Named blocks become files of the reader's folder, in which commands run. Queries go to a gateway
that is configured by ``gateway.toml`` there.
"""

from __future__ import annotations

import copy
import functools
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

import gateway.cli.screen
import gateway.service
import gateway.web.app
from gateway.normalise.timestamps import format_millis, parse
from gateway.settings import load
from tests.docs.pages import Page
from tests.docs.product import Client, terminal
from tests.docs.run import Runner
from tests.support.moment import MOMENT

TOKEN = "acme-7Jq2"
COUNT = 9
Row = dict[str, Any]


class Acme:
    """The API: a list of nine deliveries, a call for one, and one that sends it again.

    ``samples`` are the rows that it repeats, newest first. A bad token, limit or cursor is refused.
    """

    def __init__(self, samples: list[Row]) -> None:
        self.rows = [self._row(samples[n % len(samples)], 107 - n, n) for n in range(COUNT)]

    def _row(self, sample: Row, number: int, age: int) -> Row:
        sent_at = format_millis(parse(sample["sent_at"]) - age // 2 * 240_000_000_000)  # type: ignore[arg-type]
        return {**copy.deepcopy(sample), "id": f"dlv_{number}", "sent_at": sent_at}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _refusal(401, "The token is not known.")
        match request.method, request.url.path.removeprefix("/v1/deliveries").split("/"):
            case "GET", [""]:
                return self._list(dict(request.url.params))
            case "GET", ["", id]:
                return self._one(id)
            case "POST", ["", id, "retry"]:
                return self._retry(id)
        return _refusal(404, "There is no such page.")

    def _list(self, params: dict[str, str]) -> httpx.Response:
        limit = int(params["limit"])
        if not 1 <= limit <= 5:
            return _refusal(422, "limit must be from 1 to 5.")
        rows = [row for row in self.rows if params.get("state") in {None, row["state"]}]
        begin = 0
        if cursor := params.get("cursor"):
            ids = [row["id"] for row in rows]
            if cursor.removeprefix("c_") not in ids:
                return _refusal(400, "This cursor is not known.")
            begin = ids.index(cursor.removeprefix("c_"))
        following = rows[begin + limit : begin + limit + 1]
        cursor = f"c_{following[0]['id']}" if following else None
        shown = rows[begin : begin + limit]
        return httpx.Response(200, json={"deliveries": shown, "next_cursor": cursor})

    def _one(self, id: str) -> httpx.Response:
        found = [row for row in self.rows if row["id"] == id]
        if not found:
            return _refusal(404, "There is no such delivery.")
        return httpx.Response(200, json={"delivery": found[0]})

    def _retry(self, id: str) -> httpx.Response:
        (row,) = [row for row in self.rows if row["id"] == id]
        new = {**row, "id": f"dlv_{99 + len(self.rows)}", "state": "delivered", "took": 0.2}
        new |= {"error": None, "response": {"code": 200}, "sent_at": "2026-03-04T09:10:11.900Z"}
        self.rows.insert(0, new)
        return httpx.Response(201, json={"delivery": {"id": new["id"]}})


def _refusal(status: int, text: str) -> httpx.Response:
    return httpx.Response(status, json={"problem": text})


class Tutorial(Runner):
    """Runs the tutorial's page."""

    def __init__(self, page: Page, folder: Path) -> None:
        super().__init__(page, folder)
        sample = next(block for block in page.blocks if block.name.endswith(".json"))
        self.vendor = Acme(json.loads(sample.text)["deliveries"])

    def run(self) -> None:
        """Run all blocks; AssertionError if one fails."""
        with self._stack, pytest.MonkeyPatch.context() as patch:
            patch.chdir(self._folder)
            patch.setenv("ACME_TOKEN", TOKEN)
            patch.delenv("GATEWAY_CONFIG", raising=False)
            transport = httpx.MockTransport(self.vendor)
            made = functools.partial(
                gateway.service.Gateway, clock=lambda: MOMENT * 10**9, transport=transport
            )
            patch.setattr(gateway.service, "Gateway", made)
            patch.setattr(gateway.web.app, "Gateway", made)
            patch.setattr(gateway.cli.screen, "_console", terminal)
            for block in self._page.blocks:
                match block.language, block.name:
                    case _, str(name) if name:
                        (self._folder / name).write_text(block.text, encoding="utf-8")
                    case "graphql", "":
                        self._ask(block)
                    case "json", "":
                        self._compare_json(block)
                    case "console", "":
                        self._run_console(block)

    def _client(self, port: int) -> Client:
        if not self._clients and (self._folder / "gateway.toml").exists():
            settings = load(self._folder / "gateway.toml", os.environ)
            transport = httpx.MockTransport(self.vendor)
            application = gateway.web.app.create_app(settings, transport=transport)
            portal = self._stack.enter_context(start_blocking_portal())
            lifespan = application.router.lifespan_context(application)
            self._stack.enter_context(portal.wrap_async_context_manager(lifespan))
            self._clients = {8000: Client(portal, application)}
        return self._clients[port] if self._clients else _NO_CLIENT

    def _values(self) -> dict[str, str]:
        return {"id": self._answer["data"]["webhookLogs"]["nodes"][0]["id"]}


_NO_CLIENT: Any = None
