"""The HTTP client of the load: it measures each response, and tells failures apart."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from tests.benchmarks.soak.site import Site

TIMEOUT = 30.0
"""Seconds until a response that did not come is a failure."""
UNANSWERED = 500


class Measured(NamedTuple):
    """A response: when it was asked for, on the clock of ``time.monotonic``, and milliseconds."""

    at: float
    kind: str
    took: float


class WrongError(Exception):
    """A response, or none, that is not as it should be; ``what`` names the reason."""

    def __init__(self, what: str, answer: Response) -> None:
        super().__init__(what)
        self.what = what
        self.answer = answer


class Response(NamedTuple):
    """What came back for a request with an id."""

    kind: str
    id: str
    status: int
    text: str
    etag: str = ""
    document: Any = None

    @property
    def data(self) -> Any:
        return self.document.get("data")

    def codes(self) -> list[str]:
        """Return the codes of the errors, each once."""
        errors = self.document.get("errors", ())
        return sorted({error["extensions"]["code"] for error in errors})

    def expect_no(self, codes: Iterable[str], where: str) -> None:
        """Raise WrongError if there are codes of errors."""
        if codes := list(codes):
            raise WrongError(f"{where}: {', '.join(codes)}", self)

    def expect_reports(self, reports: Iterable[dict[str, Any]]) -> None:
        """Raise WrongError if a source could not be read."""
        failed = [
            f"{report['source']['name']}: {report['error']['code']}"
            for report in reports
            if report["error"] is not None
        ]
        if failed:
            raise WrongError("; ".join(failed), self)


class Client:
    """Sends requests through nginx; ``measured`` are the responses."""

    def __init__(self, site: Site, http: httpx.AsyncClient) -> None:
        self.measured: list[Measured] = []
        self._site = site
        self._http = http
        self._url = f"{site.url}/graphql"
        self._numbers = itertools.count(1)

    async def send(
        self, kind: str, caller: str, document: str, *, fresh: bool = False, **variables: Any
    ) -> Response:
        """Send an operation by POST; ``fresh`` bypasses the cache."""
        headers = self._headers(caller) | ({"Cache-Control": "no-cache"} if fresh else {})
        body = {"query": document, "variables": variables}
        return await self._send(kind, "POST", headers, json=body)

    async def get(
        self, kind: str, caller: str, document: str, etag: str | None, **variables: Any
    ) -> Response:
        """Send a query by GET, with the ETag of an earlier answer if there is one."""
        headers = self._headers(caller) | ({"If-None-Match": etag} if etag else {})
        parameters = {"query": document, "variables": json.dumps(variables)}
        return await self._send(kind, "GET", headers, params=parameters)

    async def leave(self, caller: str, document: str, seconds: float, **variables: Any) -> None:
        """Send an operation, and close the connection before it is answered."""
        headers = self._headers(caller) | {"Cache-Control": "no-cache"}
        parts = urlsplit(self._url)
        body = json.dumps({"query": document, "variables": variables}).encode()
        lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(head.encode() + body)
        await asyncio.sleep(seconds)
        writer.close()
        self.measured.append(Measured(time.monotonic(), "left", seconds * 1000))

    def _headers(self, caller: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._site.keys[caller]}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "X-Request-Id": f"soak-{next(self._numbers)}",
        }

    async def _send(
        self, kind: str, method: str, headers: dict[str, str], **parts: Any
    ) -> Response:
        id, at = headers["X-Request-Id"], time.monotonic()
        try:
            got = await self._http.request(method, self._url, headers=headers, **parts)
        except httpx.TransportError as error:
            said = Response(kind, id, 0, repr(error))
            raise WrongError(f"connection: {type(error).__name__}", said) from None
        self.measured.append(Measured(at, kind, (time.monotonic() - at) * 1000))
        response = Response(kind, id, got.status_code, got.text, got.headers.get("ETag", ""))
        if got.status_code == httpx.codes.NOT_MODIFIED:
            return response
        try:
            document = got.json()
        except ValueError:
            raise WrongError(f"status: {got.status_code}", response) from None
        if got.status_code >= UNANSWERED and "errors" not in document:
            raise WrongError(f"status: {got.status_code}", response)
        return response._replace(document=document)
