"""One vendor's HTTP API: bounded in time and in concurrency, with failures told in one form.

httpx leaves these to its user: a total time (its own are for each read), and a queue in front of
the connection pool, which collapses under waiters.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import msgspec

from gateway.errors import ErrorCode, UpstreamError
from gateway.upstream.breaker import BreakerState
from gateway.upstream.errors import ReadError, kept, refusal
from gateway.upstream.exchange import exchange
from gateway.upstream.guard import FAILURES, Lane, is_own
from gateway.upstream.retry import retried

if TYPE_CHECKING:
    from gateway.upstream.answer import Answer
    from gateway.upstream.auth import Credential
    from gateway.upstream.operation import Operation

SLOW = 0.75
"""The share of the time there is for an answer after which it is as bad as none."""
MOST_LANES = 1000
"""For how many callers' own credentials to remember how calls with them went."""

_ETAG = re.compile(r'(?:W/)?"[!#-~]{0,500}"')

Params = Sequence[tuple[str, str]]


class NotModified(Exception):  # noqa: N818 - no failure, but news
    """The vendor has nothing else to say than what the operation's ETag stands for."""


class Health(msgspec.Struct, frozen=True):
    """How a source's calls went lately; the times are Unix times in nanoseconds.

    ``retry_at`` is when an open breaker lets a call pass to try the source.
    """

    last_success_at: int | None = None
    last_failure_at: int | None = None
    last_error: UpstreamError | None = None
    breaker: BreakerState = BreakerState.CLOSED
    retry_at: int | None = None


class _Call(NamedTuple):
    method: str
    url: httpx.URL
    operation: Operation
    credential: Credential
    lane: Lane
    etag: str | None = None


class UpstreamClient:
    """Calls one vendor's API for one source.

    ``timeout`` is in seconds and for one call that has its place, with the wait for a token;
    ``concurrency`` is how many calls are under way at the same time, ``rate_limit`` how many begin
    in a second. ``clock`` gives Unix time in nanoseconds, ``monotonic`` is in seconds. What befalls
    a ``private`` client is told only to the caller it befell, and has an effect on no other. The
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
        rate_limit: float,
        clock: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
        private: bool = False,
    ) -> None:
        self.source = source
        self.base_url = base_url
        self._health = Health()
        self._timeout = timeout
        self._http = http
        self._credential = credential
        self._read_error = read_error
        self._slots = asyncio.Semaphore(concurrency)
        self._clock = clock
        self._private = private
        self._make_lane = functools.partial(Lane, source, rate_limit, monotonic)
        self._lane = self._make_lane()
        self._private_lanes: dict[bytes, Lane] = {}

    @property
    def health(self) -> Health:
        """Tell how the calls went."""
        breaker = self._lane.breaker
        waits = breaker.state is BreakerState.OPEN
        return msgspec.structs.replace(
            self._health,
            breaker=breaker.state,
            retry_at=self._clock() + int(breaker.seconds * 1e9) if waits else None,
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._credential.close()
        await self._http.aclose()

    async def json(
        self, path: str, params: Params = (), *, operation: Operation
    ) -> tuple[Any, httpx.Headers]:
        """Get a JSON document; its headers come with it, since some vendors page in them.

        What may pass is tried again, within the operation's time; the credential is renewed once
        on 401. Raises UpstreamError unless the answer is 2xx and holds a document, NotModified
        when the operation has an ETag that still stands for it.
        """
        url = httpx.URL(self.base_url + path)
        if params:
            url = url.copy_merge_params(list(params))
        target = url.raw_path.decode("ascii")
        with self._noted():
            call = await self._prepare("GET", url, operation, operation.etags.get(target))
            answer = await retried(lambda: self._attempt(call), call.lane, operation.deadline)
            changed = answer.status != httpx.codes.NOT_MODIFIED
            document = self._document(answer) if changed else None
        if not changed:
            raise NotModified
        etag = answer.headers.get("ETag", "")
        operation.answered[target] = etag if _ETAG.fullmatch(etag) else ""
        return document, answer.headers

    async def act(self, method: str, path: str, *, operation: Operation) -> Any:
        """Ask for something to be done, once; give the answer's document, or None without one.

        Only a request that was refused for its credential is sent again. Raises UpstreamError
        unless the answer is 2xx; its ``sent`` tells whether the vendor may have acted.
        """
        with self._noted():
            url = httpx.URL(self.base_url + path)
            answer = await self._attempt(await self._prepare(method, url, operation))
            try:
                return answer.json()
            except ValueError:
                return None

    async def late(self, operation: Operation) -> UpstreamError:
        """Make the error for an operation whose time was up while others went on asking for it."""
        lane = await self._lane_of(self._credential.of(operation))
        return lane.limit.lateness(operation.seconds) or UpstreamError(
            ErrorCode.UPSTREAM_TIMEOUT,
            f"Source {self.source} did not answer before the operation's time was up."
            " Try again, or give it more time.",
            source=self.source,
        )

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except UpstreamError as error:
            if not self._private and not is_own(error):
                self._health = msgspec.structs.replace(
                    self._health, last_failure_at=self._clock(), last_error=kept(error)
                )
            raise
        self._health = msgspec.structs.replace(self._health, last_success_at=self._clock())

    async def _prepare(
        self, method: str, url: httpx.URL, operation: Operation, etag: str | None = None
    ) -> _Call:
        credential = self._credential.of(operation)
        return _Call(method, url, operation, credential, await self._lane_of(credential), etag)

    async def _lane_of(self, credential: Credential) -> Lane:
        if not self._private:
            return self._lane
        headers = sorted((await credential.headers()).items())
        key = hashlib.sha256(repr(headers).encode()).digest()
        lanes = self._private_lanes
        lanes[key] = lane = lanes.pop(key) if key in lanes else self._make_lane()
        if len(lanes) > MOST_LANES:
            del lanes[next(iter(lanes))]
        return lane

    async def _attempt(self, call: _Call) -> Answer:
        loop = asyncio.get_running_loop()
        operation, credential, lane = call.operation, call.credential, call.lane
        # An action's caller may have lowered its deadline, and that tells nothing of the vendor.
        seconds = self._timeout
        if call.method == "GET":
            seconds = min(seconds, operation.seconds)
        sent = False
        given: float | None = None
        try:
            if operation.behind:
                # The vendor may be back: then all that was kept is renewed at once, not at the
                # second try.
                async with asyncio.timeout_at(operation.deadline):
                    await lane.tried()
            with lane.judged(SLOW * seconds) as start:
                if loop.time() >= operation.deadline:
                    raise TimeoutError
                async with asyncio.timeout_at(operation.deadline):
                    # Those who wait for a place share this renewal, and its failure, too.
                    await credential.headers()
                    await lane.limit.enter(self._slots, operation.deadline - loop.time())
                    try:
                        start()
                        given = min(self._timeout, operation.deadline - loop.time())
                        async with asyncio.timeout(self._timeout):
                            headers = await credential.headers()
                            sent = True
                            answer = await self._ask(call, headers)
                            if answer.status == httpx.codes.UNAUTHORIZED and credential.forget(
                                headers
                            ):
                                sent = False
                                headers = await credential.headers()
                                sent = True
                                lane.limit.take()
                                answer = await self._ask(call, headers)
                    finally:
                        self._slots.release()
                return self._good(answer, call)
        except TimeoutError:
            if given is None and (paused := lane.limit.lateness(operation.seconds)):
                raise paused from None
            late = (
                "was not asked, since the operation's time was up"
                if given is None
                else f"did not answer within {round(given, 2):g} seconds"
            )
            raise UpstreamError(
                ErrorCode.UPSTREAM_TIMEOUT,
                f"Source {self.source} {late}."
                " Try again, or raise its timeout or the server's deadline.",
                source=self.source,
                sent=sent,
                retry_after=lane.breaker.seconds or None,
            ) from None
        except UpstreamError as error:
            error.sent = error.sent and sent
            if error.retry_after is None and error.code in FAILURES:
                # It may have been the one too many.
                error.retry_after = lane.breaker.seconds or None
            raise

    async def _ask(self, call: _Call, headers: Mapping[str, str]) -> Answer:
        call.operation.calls[self.source] += 1
        request = self._http.build_request(call.method, call.url, headers=dict(headers))
        if call.etag is not None:
            request.headers["If-None-Match"] = call.etag
        if call.operation.trace is not None:
            request.headers.update(call.operation.trace.headers())
        return await exchange(self._http, request, self.source)

    def _good(self, answer: Answer, call: _Call) -> Answer:
        """Give the answer back if it is good, else raise UpstreamError; learn its limits."""
        now = self._clock()
        if answer.status != httpx.codes.TOO_MANY_REQUESTS:
            call.lane.limit.answered()
        call.lane.limit.learn(answer.headers, now)
        if httpx.codes.is_success(answer.status):
            return answer
        if answer.status == httpx.codes.NOT_MODIFIED and call.etag is not None:
            return answer
        error = refusal(answer, self._read_error, source=self.source, now=now, path=call.url.path)
        if error.code is ErrorCode.UPSTREAM_RATE_LIMITED and error.retry_after is not None:
            call.lane.limit.pause(error.retry_after)
        raise error

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
