"""One vendor's HTTP API: bounded in time and in concurrency, with failures told in one form.

httpx leaves these to its user: a total time (its own are for each read), and a queue in front of
the connection pool, which collapses under waiters.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.exchange import exchange
from gateway.upstream.refusal import ReadError, kept, refusal

if TYPE_CHECKING:
    from gateway.upstream.answer import Answer
    from gateway.upstream.auth import Credential
    from gateway.upstream.operation import Operation

Params = Sequence[tuple[str, str]]


class Health(msgspec.Struct, frozen=True):
    """How a source's calls went lately; the times are Unix times in nanoseconds."""

    last_success_at: int | None = None
    last_failure_at: int | None = None
    last_error: UpstreamError | None = None


class UpstreamClient:
    """Calls one vendor's API for one source.

    ``timeout`` is in seconds and for one call, with the waits for a free place and for a token;
    ``concurrency`` is how many calls are under way at the same time. ``clock`` gives Unix time in
    nanoseconds. What befalls a ``private`` client is told only to the caller it befell. The
    client owns ``http``.
    """

    def __init__(
        self,
        source: str,
        base_url: str,
        *,
        http: httpx.AsyncClient,
        credential: Credential,
        read_error: ReadError,
        timeout: float,
        concurrency: int,
        clock: Callable[[], int],
        private: bool = False,
    ) -> None:
        self.source = source
        self.base_url = base_url
        self.health = Health()
        self._timeout = timeout
        self._http = http
        self._credential = credential
        self._read_error = read_error
        self._slots = asyncio.Semaphore(concurrency)
        self._clock = clock
        self._private = private

    async def close(self) -> None:
        """Give the connections back."""
        await self._credential.close()
        await self._http.aclose()

    async def json(
        self, path: str, params: Params = (), *, operation: Operation
    ) -> tuple[Any, httpx.Headers]:
        """Get a JSON document; its headers come with it, since some vendors page in them.

        The credential is renewed once on 401. Raises UpstreamError unless the answer is 2xx and
        holds a document.
        """
        with self._noted():
            answer = await self._call("GET", path, params, operation)
            return self._document(answer), answer.headers

    async def act(self, method: str, path: str, *, operation: Operation) -> Any:
        """Ask for something to be done, once; give the answer's document, or None without one.

        Only a request that was refused for its credential is sent again. Raises UpstreamError
        unless the answer is 2xx; its ``sent`` tells whether the vendor may have acted.
        """
        with self._noted():
            answer = await self._call(method, path, (), operation)
            try:
                return answer.json()
            except ValueError:
                return None

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except UpstreamError as error:
            if self._private:
                raise
            self.health = msgspec.structs.replace(
                self.health, last_failure_at=self._clock(), last_error=kept(error)
            )
            raise
        self.health = msgspec.structs.replace(self.health, last_success_at=self._clock())

    async def _call(self, method: str, path: str, params: Params, operation: Operation) -> Answer:
        credential = self._credential.of(operation)
        sent = False
        now = asyncio.get_running_loop().time()
        until = min(operation.deadline, now + self._timeout)
        try:
            async with asyncio.timeout_at(until):
                # Those who wait for a place share this renewal, and its failure, too.
                await credential.headers()
                async with self._slots:
                    headers = await credential.headers()
                    sent = True
                    answer = await self._ask(method, path, params, headers, operation)
                    if answer.status == httpx.codes.UNAUTHORIZED and credential.forget(headers):
                        sent = False
                        headers = await credential.headers()
                        sent = True
                        answer = await self._ask(method, path, params, headers, operation)
        except TimeoutError:
            late = (
                f"did not answer within {until - now:.3g} seconds"
                if until > now
                else ("was not asked, since the operation's time was up")
            )
            raise UpstreamError(
                ErrorCode.UPSTREAM_TIMEOUT,
                f"Source {self.source} {late}."
                " Try again, or raise its timeout or the server's deadline.",
                source=self.source,
                sent=sent,
            ) from None
        except UpstreamError as error:
            error.sent = error.sent and sent
            raise
        if not httpx.codes.is_success(answer.status):
            raise refusal(answer, self._read_error, source=self.source, now=self._clock())
        return answer

    async def _ask(
        self,
        method: str,
        path: str,
        params: Params,
        headers: Mapping[str, str],
        operation: Operation,
    ) -> Answer:
        operation.calls[self.source] += 1
        request = self._http.build_request(
            method, self.base_url + path, params=list(params) or None, headers=dict(headers)
        )
        return await exchange(self._http, request, self.source)

    def _document(self, answer: Answer) -> Any:
        if not answer.content.strip():
            raise self._invalid("answered with an empty body; try again, and check base_url")
        try:
            return answer.json()
        except ValueError:
            kind = answer.headers.get("Content-Type", "")
            if "html" in kind or answer.content.lstrip()[:1] == b"<":
                raise self._invalid(
                    "answered with a web page instead of JSON; check base_url, and whether a proxy"
                    " or a login page stands in between"
                ) from None
            raise self._invalid(
                "answered with something that is not whole JSON; try again, and check base_url"
            ) from None

    def _invalid(self, what: str) -> UpstreamError:
        return UpstreamError(
            ErrorCode.UPSTREAM_INVALID_RESPONSE,
            f"Source {self.source} {what}.",
            source=self.source,
        )
