"""A client for one vendor's HTTP API, with time and concurrency limits and uniform errors.

httpx has no total timeout (only one for each read), and its connection pool gets slow when many
callers wait in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from gateway.errors import ErrorCode, UpstreamError
from gateway.events import Events
from gateway.upstream import waits
from gateway.upstream.breaker import BreakerState
from gateway.upstream.call import Call, Headers, Request, encoded
from gateway.upstream.checks import NO_CONTENT, check_document, error_in
from gateway.upstream.errors import (
    ReadError,
    copy_without_traceback,
    is_rate_limited,
    refusal,
)
from gateway.upstream.exchange import exchange, request_url
from gateway.upstream.guard import FAILURES, PrivateGuards, UpstreamGuard, is_refusal
from gateway.upstream.health import CallSample, Health
from gateway.upstream.known_secrets import KnownSecrets
from gateway.upstream.measured import Timing, measured
from gateway.upstream.network_errors import Peer
from gateway.upstream.path import template_of
from gateway.upstream.progress import Progress
from gateway.upstream.retry import with_retries

if TYPE_CHECKING:
    from gateway.upstream.answer import Answer
    from gateway.upstream.auth import Credential
    from gateway.upstream.call_counts import CallCount
    from gateway.upstream.envelopes import VendorError
    from gateway.upstream.limits import Take
    from gateway.upstream.operation import Operation

SLOW = 0.75
"""Share of the timeout after which a call counts as failed for the breaker."""
MAX_URLS = 256
"""Maximum number of URLs that are kept for the next call."""
MAX_SLOWDOWN = 30.0
"""Maximum pause in seconds that a successful response may ask for."""
_ETAG = re.compile(r'(?:W/)?"[!#-~]{0,500}"')

Params = Sequence[tuple[str, str]]


class NotModified(Exception):  # noqa: N818 - not a failure
    """The vendor confirmed the ETag of the operation by a 304."""


class UpstreamClient:
    """Calls one vendor's API for one source.

    ``timeout`` is in seconds and bounds one call after it gets a slot, including the wait for a
    token; ``concurrency`` is the number of simultaneous calls, ``rate_limit`` the number of calls
    that begin in a second. ``clock`` is in Unix nanoseconds, ``monotonic`` in seconds. ``secrets``
    are the source's own. In a ``private`` client, each caller sends its own credential: failures
    are reported to that caller only, and affect no other. ``shared`` counts the calls of all
    workers, and ``take`` those of all replicas; ``events`` are told of them. The client owns
    ``http``.
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
        secrets: KnownSecrets | None = None,
        shared: CallCount | None = None,
        take: Take | None = None,
        events: Events | None = None,
    ) -> None:
        self.source = source
        self.base_url = base_url
        self._peer = Peer(source, f"Source {source}")
        self._health = Health()
        self._sample = CallSample(clock)
        self._timeout = timeout
        self._http = http
        self._credential = credential
        self._read_error = read_error
        self._slots = asyncio.Semaphore(concurrency)
        self._clock = clock
        self._private = private
        self._secrets = secrets or KnownSecrets()
        self._events = events or Events()
        make_guard = functools.partial(
            UpstreamGuard, source, rate_limit, monotonic, events=self._events, personal=private
        )
        self._guard = make_guard(shared=shared, take=take)
        self._private_guards = PrivateGuards(make_guard) if private else None
        # Building a URL takes as long as sending it.
        self._located = functools.lru_cache(MAX_URLS)(functools.partial(request_url, base_url))

    @property
    def health(self) -> Health:
        """The results of the latest calls."""
        breaker = self._guard.breaker
        waits = breaker.state is BreakerState.OPEN
        return msgspec.structs.replace(
            self._health,
            breaker=breaker.state,
            retry_at=self._clock() + int(breaker.seconds * 1e9) if waits else None,
            recent=self._sample.recent(),
        )

    def retire(self) -> None:
        """Tell no more of the circuit breaker, although calls may be in flight."""
        self._guard.breaker.silence()

    async def close(self) -> None:
        """Close the connections."""
        await self._credential.close()
        await self._http.aclose()

    async def json(
        self,
        path: str,
        params: Params = (),
        *,
        operation: Operation,
        rows: str | None = None,
        body: Any = None,
    ) -> tuple[Any, httpx.Headers]:
        """Get a JSON document and the response's headers, which some vendors use for paging.

        The document is None for a 204 or 205. With ``rows``, the rows of that list in it may be
        undecoded; see ``Answer.with_raw_rows``. With a ``body``, which is sent as JSON, the method
        is POST: for vendors that list in this way, and change nothing. Temporary failures are
        retried until the operation's deadline; the credential is refreshed once on 401. Raises
        UpstreamError unless the response is 2xx with a document that is not an error, and
        NotModified if the vendor confirms the operation's ETag.
        """
        url, target = self._located(path, tuple(params))
        endpoint = template_of(path)
        if body is None:
            request = Request("GET", url, endpoint, rows=rows, etag=operation.etags.get(target))
        else:
            # A condition would mean something else with a POST (RFC 9110, 13.1.2).
            request = Request("POST", url, endpoint, rows=rows, content=encoded(body))
        with self._record_health():
            call = await self._prepare(request, operation)
            answer = await with_retries(
                functools.partial(self._attempt, call), call.guard, operation.deadline
            )
        if answer.status == httpx.codes.NOT_MODIFIED:
            raise NotModified
        if body is None:
            etag = answer.headers.get("ETag", "")
            operation.validators[target] = etag if _ETAG.fullmatch(etag) else ""
        else:
            # Without a validator, so that another answer's is no proof that nothing has changed.
            operation.validators[f"POST {target}"] = ""
        if answer.status in NO_CONTENT:
            return None, answer.headers
        document = None if rows is None else answer.with_raw_rows(rows)
        return answer.json() if document is None else document, answer.headers

    async def act(
        self,
        method: str,
        path: str,
        *,
        operation: Operation,
        params: Params = (),
        body: Any = None,
        headers: Headers = (),
    ) -> Any:
        """Send an action once; return the response's document, None without a body.

        ``body`` is sent as JSON. Only a request that was refused for its credential is sent again,
        with the same ``headers``. Raises UpstreamError unless the response is 2xx and plausible for
        a JSON API; its ``sent`` shows whether the vendor may have acted.
        """
        url, _ = self._located(path, tuple(params))
        request = Request(
            method,
            url,
            template_of(path),
            is_action=True,
            content=encoded(body),
            headers=headers,
        )
        with self._record_health():
            answer = await self._attempt(await self._prepare(request, operation))
        return None if answer.is_blank else answer.json()

    async def deadline_error(self, operation: Operation) -> UpstreamError:
        """Return the error for an operation whose deadline has passed while others still wait."""
        guard = await self._guard_of(self._credential.for_operation(operation))
        return guard.limit.pause_error(operation.seconds) or UpstreamError(
            ErrorCode.UPSTREAM_TIMEOUT,
            f"Source {self.source} did not answer before the operation's time was up."
            " Try again, or give it more time.",
            source=self.source,
        )

    @contextlib.contextmanager
    def _record_health(self) -> Iterator[None]:
        try:
            yield
        except UpstreamError as error:
            if not self._private and not is_refusal(error):
                self._health = msgspec.structs.replace(
                    self._health,
                    last_failure_at=self._clock(),
                    last_error=copy_without_traceback(error),
                )
            raise
        self._health = msgspec.structs.replace(self._health, last_success_at=self._clock())

    async def _prepare(self, request: Request, operation: Operation) -> Call:
        credential = self._credential.for_operation(operation)
        guard = await self._guard_of(credential)
        secrets = self._secrets
        if self._private:
            secrets = secrets.extended(credential.secrets)
        return Call(request, operation, credential, guard, secrets)

    async def _guard_of(self, credential: Credential) -> UpstreamGuard:
        if self._private_guards is None:
            return self._guard
        return self._private_guards.of(await credential.headers())

    async def _attempt(self, call: Call, number: int = 1) -> Answer:
        request = call.request
        with measured(
            self._events,
            self.source,
            request.method,
            request.endpoint,
            call.operation,
            number,
            # A ratio would tell callers with credentials of their own about each other.
            sample=None if self._private else self._sample,
        ) as timing:
            answer = await self._send(call._replace(trace=timing.trace), timing)
            timing.status = answer.status
            return answer

    async def _send(self, call: Call, timing: Timing) -> Answer:
        loop = asyncio.get_running_loop()
        operation, credential, guard = call.operation, call.credential, call.guard
        # An action's caller may have lowered its deadline, which says nothing about the vendor.
        seconds = self._timeout
        if not call.request.is_action:
            seconds = min(seconds, operation.seconds)
        sent = False
        call_timeout: float | None = None
        progress = Progress()
        try:
            if guard.breaker.probing:
                await guard.wait_for_probe(operation.deadline, background=operation.background)
            with guard.tracked(SLOW * seconds) as start:
                if loop.time() >= operation.deadline:
                    raise TimeoutError
                async with asyncio.timeout_at(operation.deadline) as bound:
                    # Calls that wait for a slot share this refresh, and its failure, too.
                    await credential.headers()
                    timing.queue()
                    await guard.limit.enter(self._slots, operation.deadline - loop.time())
                    try:
                        start()
                        timing.send()
                        call_timeout = min(self._timeout, operation.deadline - loop.time())
                        bound.reschedule(loop.time() + call_timeout)
                        headers = await credential.headers()
                        sent = True
                        answer, vendor_error = await self._exchange(call, headers, progress)
                        unauthorized = call.is_unauthorized(answer, vendor_error)
                        if unauthorized and credential.forget(headers):
                            sent = False
                            headers = await credential.headers()
                            sent = True
                            guard.limit.take()
                            progress = Progress()
                            answer, vendor_error = await self._exchange(call, headers, progress)
                    finally:
                        self._slots.release()
                return self._checked(answer, vendor_error, call)
        except TimeoutError:
            if call_timeout is None and (paused := guard.limit.pause_error(operation.seconds)):
                raise paused from None
            raise UpstreamError(
                ErrorCode.UPSTREAM_TIMEOUT,
                f"Source {self.source} was not asked, since the operation's time was up."
                " Try again, or raise its timeout or the server's deadline."
                if call_timeout is None
                else progress.timed_out(self._peer, round(call_timeout, 2)),
                source=self.source,
                sent=sent and progress.sent,
                retry_after=guard.breaker.seconds or None,
            ) from None
        except UpstreamError as error:
            error.sent = error.sent and sent
            if error.retry_after is None and error.code in FAILURES:
                # This failure may have opened the breaker.
                error.retry_after = guard.breaker.seconds or None
            raise

    async def _exchange(
        self, call: Call, headers: Mapping[str, str], progress: Progress
    ) -> tuple[Answer, VendorError | None]:
        """Send the request; return the response, and the error inside it if it is a 2xx one."""
        call.operation.calls[self.source] += 1
        request = call.http_request(self._http.headers, headers)
        answer = await exchange(self._http, request, self._peer, progress)
        answer = answer.masked(call.secrets)
        return answer, error_in(answer, call.request, self._read_error)

    def _checked(self, answer: Answer, vendor_error: VendorError | None, call: Call) -> Answer:
        """Return a 2xx response, raise UpstreamError for others; apply rate limit headers."""
        now = self._clock()
        request, limit = call.request, call.guard.limit
        if not is_rate_limited(answer, now):
            limit.answered()
        limit.read_headers(answer.headers, now)
        if answer.status == httpx.codes.NOT_MODIFIED and request.etag is not None:
            return answer
        if httpx.codes.is_success(answer.status) and vendor_error is None:
            if wait := waits.retry_after(answer.headers, now):
                limit.pause(min(wait, MAX_SLOWDOWN))
            if request.rows is None or answer.with_raw_rows(request.rows) is None:
                check_document(answer, self.source, action=request.is_action)
            return answer
        raise self._refusal(answer, vendor_error, call, now)

    def _refusal(
        self, answer: Answer, vendor_error: VendorError | None, call: Call, now: int
    ) -> UpstreamError:
        """Return the error for a response; calls pause if it asks for that.

        The frame that raises the error must not have it in a variable, which would keep both.
        """
        error = refusal(
            answer,
            self._read_error,
            source=self.source,
            now=now,
            url=call.request.url,
            vendor=vendor_error,
        )
        if error.code is ErrorCode.UPSTREAM_RATE_LIMITED and error.retry_after is not None:
            call.guard.limit.pause(error.retry_after)
        return error
