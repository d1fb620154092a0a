"""A vendor that counts its calls, and answers once it may."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.actions import Controller
from tests.web.test_workers import PATIENCE


class Vendor:
    """A Language Weaver controller with the entries 42 and 41; ``retries`` are those of 42.

    ``calls`` counts by method, ``lists`` by the query of a list, and ``limited`` those of a source
    with limits of its own. It answers while ``open`` is set.
    """

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.calls: Counter[str] = Counter()
        self.lists: Counter[str] = Counter()
        self.limited = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.retries = 0
        self.deleted: set[int] = set()
        self.app = Starlette(
            routes=[Route("/{path:path}", self._answer, methods=["GET", "PUT", "DELETE"])]
        )

    def reset(self) -> None:
        """Forget everything, and answer."""
        self.open.set()
        self.calls.clear()
        self.lists.clear()
        self.retries = self.limited = self.most_in_flight = 0
        self.deleted.clear()

    def entry(self, number: int) -> dict[str, object]:
        return Controller.entry(number, self.retries if number == 42 else 0)

    async def _answer(self, request: Request) -> Response:
        self.calls[request.method] += 1
        self.limited += request.url.path.startswith("/limited/")
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        try:
            await asyncio.to_thread(self.open.wait, PATIENCE)
        finally:
            self.in_flight -= 1
        match request.method:
            case "PUT":
                self.retries += 1
                return JSONResponse(self.entry(42))
            case "DELETE":
                number = int(request.url.path.rpartition("/")[2])
                self.deleted.add(number)
                return JSONResponse(self.entry(number))
        self.lists[request.url.query] += 1
        page, size = (int(request.query_params[name]) for name in ("page", "perPage"))
        every = [number for number in (42, 41) if number not in self.deleted]
        entries = [self.entry(number) for number in every] if page == 1 else []
        envelope = {"page": page, "perPage": size, "totalPages": 1, "totalItems": len(every)}
        return JSONResponse({"entries": entries, **envelope})
