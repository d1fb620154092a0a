"""A credential that a vendor repeats is masked for all callers.

Callers may read logs without holding the vendor's credential. A token in an error or in the body of
a log would let them call the vendor directly.
"""

from __future__ import annotations

import base64
import functools
import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import msgspec
import pytest
from pydantic import SecretStr

from gateway.errors import UpstreamError
from gateway.sources import Source
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, Page, Stream, Window
from tests.vendors.case import PLAIN, SECRET
from tests.vendors.cases import CASES
from tests.vendors.documents import HOOKS, PLACES, ROWS, STREAMS, listing
from tests.vendors.vendors import PROVIDERS, Vendor, answer, make, sample

AUTH = {
    name: (provider, *form)
    for provider, case in CASES.items()
    for name, form in case.credentials.items()
}

Encode = Callable[[str], str]
ENCODINGS: dict[str, Encode] = {
    "plain": str,
    "in a word": lambda text: f"x{text}x",
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "Basic with a user": lambda text: base64.b64encode(f"{text}:".encode()).decode(),
    "URL": lambda text: quote(text, safe=""),
    "URL in lower case": lambda text: quote(text, safe="").lower() if text == SECRET else text,
    "form": quote_plus,
    "URL twice": lambda text: quote(quote(text, safe=""), safe=""),
    "JSON": json.dumps,
    "JSON of letters": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON twice": lambda text: json.dumps(json.dumps({"error": text})),
    "JSON of Go": lambda text: (
        json.dumps(text).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    ),
    "JSON of PHP": lambda text: json.dumps(text).replace("/", "\\/"),
    "HTML": html.escape,
    "HTML in numbers": lambda text: "".join(f"&#{ord(c)};" if not c.isalnum() else c for c in text),
    "HTML in hexadecimal": lambda text: "".join(
        f"&#x{ord(c):X};" if not (c.isalnum() and c.isascii()) else c for c in text
    ),
}


def repeating(respond: Callable[[httpx.Request], httpx.Response]) -> Vendor:
    """Create a vendor that issues the token PLAIN and otherwise returns the given response."""

    def answers(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            document = {"access_token": PLAIN, "token": PLAIN, "iamToken": PLAIN}
            return answer(document, 201, X_Subject_Token=PLAIN)
        return respond(request)

    return Vendor(answers)


def fixed(response: httpx.Response, _: httpx.Request) -> httpx.Response:
    """Return a copy, since a response can be read only once."""
    return httpx.Response(
        response.status_code, headers=response.headers.raw, content=response.content
    )


def shown(error: UpstreamError) -> str:
    return json.dumps([str(error), {k: str(v) for k, v in vars(error).items()}])


def leaks(text: str, secret: str, encode: Encode) -> bool:
    """Search for a secret in a result, which may contain JSON text."""
    written = encode(secret).strip('"')
    core = written[1:-1]
    return any(form in text for form in (written, core, json.dumps(core)[1:-1]))


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", AUTH)
async def test_error_that_repeats_the_credential_is_masked(form: str, encoding: str) -> None:
    provider, changes, secrets = AUTH[form]
    encode = ENCODINGS[encoding]
    for secret in secrets:
        if secret.endswith("=") and ("64" in encoding or "Basic" in encoding):
            continue  # is base64 itself
        said = encode(secret)
        header = said.encode().decode("latin-1") if said.isprintable() else "-"
        for status in (200, 401, 500):
            body = json.dumps(CASES[provider].error_with(said)).encode()
            response = httpx.Response(
                status, content=body, headers={b"X-Request-Id": header.encode("latin-1")}
            )
            source = make(provider, repeating(functools.partial(fixed, response)), **changes)
            with pytest.raises(UpstreamError) as failure:
                await source.vendor.read_page(
                    STREAMS[provider], Window(limit=5), Criteria(), Operation(5)
                )
            assert not leaks(shown(failure.value), secret, encode)
            assert "***" in shown(failure.value)


@pytest.mark.sampled(17)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", AUTH)
async def test_rows_that_repeat_the_credential_are_masked(form: str, encoding: str) -> None:
    """The logs of a webhook that calls its own vendor contain the vendor's credential."""
    provider, changes, secrets = AUTH[form]
    encode = ENCODINGS[encoding]
    for secret in secrets:
        if secret.endswith("=") and ("64" in encoding or "Basic" in encoding):
            continue  # is base64 itself
        said = encode(secret)

        def respond(_: httpx.Request, said: str = said) -> httpx.Response:
            row = {**ROWS[provider][0], "url": f"https://a.example/?q={said}", "body": said}
            row |= {"request_data": said, "data": {"note": said}, "errorMessage": said}
            row["request_headers"] = row["headers"] = {"X-Note": said}
            row["request"] = {"endpoint": said, "headers": {"X-Note": said}, "body": [said]}
            return answer(listing(provider, [row]))

        source = make(provider, repeating(respond), **changes)
        page: Page = await source.vendor.read_page(
            STREAMS[provider], Window(limit=5), Criteria(), Operation(5)
        )
        assert len(page.logs) == 1
        told = msgspec.json.encode(page).decode()
        assert not leaks(told, secret, encode)
        assert "***" in told


@pytest.mark.sampled(5)
@pytest.mark.parametrize("form", [form for form in AUTH if HOOKS[AUTH[form][0]]])
async def test_hooks_that_repeat_the_credential_are_masked(form: str) -> None:
    provider, changes, secrets = AUTH[form]
    for secret in secrets:
        text = f"for {secret}"

        def respond(_: httpx.Request, text: str = text) -> httpx.Response:
            hooks = [{**row, "name": text, "description": text} for row in HOOKS[provider]]
            return answer(listing(provider, hooks, which=1))

        source = make(provider, repeating(respond), **changes)
        hooks = await source.hooks(Operation(5))
        assert hooks
        assert secret not in msgspec.json.encode(hooks).decode()


@pytest.mark.sampled(7)
@pytest.mark.parametrize("form", [form for form in AUTH if AUTH[form][2][0] == SECRET])
async def test_token_endpoint_that_repeats_the_password_is_masked(form: str) -> None:
    provider, changes, _ = AUTH[form]
    for encode in ENCODINGS.values():
        for status in (200, 400, 401, 500):
            said = encode(SECRET)
            response = answer(CASES[provider].error_with(said), status)
            source = make(provider, Vendor(functools.partial(fixed, response)), **changes)
            with pytest.raises(UpstreamError) as failure:
                await source.hooks(Operation(5))
            assert not leaks(shown(failure.value), SECRET, encode)


async def test_answer_of_an_action_is_masked() -> None:
    provider, changes, _ = AUTH["weaver key"]
    entry = sample("language-weaver/entries")["entries"][0]
    row = {**entry, "errorMessage": f"HTTP 401: {PLAIN}", "data": f"key={quote(PLAIN)}"}
    source = make(provider, repeating(lambda _: answer(row)), **changes)
    log = await source.delete(PLACES[provider], Operation(5))
    assert log is not None
    told = msgspec.json.encode(log).decode()
    assert PLAIN not in told
    assert quote(PLAIN) not in told


async def test_earlier_token_stays_masked() -> None:
    """A log may contain the token of an hour ago, which is still valid."""
    tokens = iter([PLAIN, "second-token-9000"])

    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return answer({"access_token": next(tokens)})
        if request.headers["authorization"] == f"Bearer {PLAIN}":
            return answer({}, 401)
        return answer({"data": [{"id": "1", "name": f"{PLAIN} second-token-9000"}]})

    hooks = await make("elastic-path", Vendor(respond)).hooks(Operation(5))
    assert [hook.name for hook in hooks] == ["*** ***"]


async def test_same_token_can_be_fetched_again() -> None:
    """By then it is a known secret, and must not be masked in the response that issues it."""
    refused = iter([True, False])

    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return answer({"access_token": PLAIN})
        assert request.headers["authorization"] == f"Bearer {PLAIN}"
        return answer({"data": []}, 401 if next(refused) else 200)

    assert await make("elastic-path", Vendor(respond)).hooks(Operation(5)) == []


@pytest.mark.sampled(5)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("sent", "secrets"),
    [
        (f"Bearer {PLAIN}", (PLAIN,)),
        (PLAIN, (PLAIN,)),
        (
            "Basic " + base64.b64encode(b"alice:open sesame").decode(),
            ("open sesame", base64.b64encode(b"alice:open sesame").decode()),
        ),
        ("Basic " + base64.b64encode(b"key-4711:").decode(), ("key-4711",)),
    ],
)
async def test_callers_own_credential_is_masked(
    provider: str, sent: str, secrets: tuple[str, ...]
) -> None:
    for secret in secrets:
        response = answer(CASES[provider].error_with(secret), 400)
        source = make(
            provider,
            Vendor(functools.partial(fixed, response)),
            auth={"type": "pass-through", "header": "X-Own"},
        )
        operation = Operation(5, {"x-own": sent})
        with pytest.raises(UpstreamError) as failure:
            await source.vendor.read_page(STREAMS[provider], Window(limit=5), Criteria(), operation)
        assert secret not in shown(failure.value)


def source_with(secret: str, document: Any) -> Source:
    return make(
        "codearts",
        Vendor(lambda _: answer(document)),
        auth={"type": "token", "token": SecretStr(secret)},
    )


@pytest.mark.parametrize(
    ("secret", "text", "expected"),
    [
        ("ab", "ab abc", "ab abc"),
        ("hook", "webhooks hook, hook-1 x%20hook", "webhooks ***, ***-1 x%20***"),
        ("push_hooks", "push_hooks", "***"),
        ("123456", "id 91234567 pin 123456", "id 91234567 pin ***"),
        ("password", "Wrong password for passwords", "Wrong *** for passwords"),
        ("k3y", "k3y ok3yo", "*** ok3yo"),
        ("s3cr3t", "xs3cr3tx", "x***x"),
        ("!!!!!!", "a !!!!!! b", "a *** b"),
    ],
)
async def test_short_or_common_secret_does_not_mangle_texts(
    secret: str, text: str, expected: str
) -> None:
    hooks = await source_with(secret, [{"id": 1, "name": text}]).hooks(Operation(5))
    assert [hook.name for hook in hooks] == [expected]


async def test_secret_equal_to_a_field_name_breaks_no_document() -> None:
    """A password "created_at" masks values, not the keys by which they are read."""
    row = {"id": 1, "name": "x", "created_at": "2026-03-04T09:10:11Z", "url": "https://a.example/"}
    (hook,) = await source_with("created_at", [row]).hooks(Operation(5))
    assert (hook.name, hook.url) == ("x", "https://a.example/")
    assert hook.created_at is not None


async def test_secret_with_escaped_letters_is_found() -> None:
    """JSON may write any character as an escape."""
    escaped = "".join(f"\\u{ord(character):04x}" for character in PLAIN)
    vendor = Vendor(lambda _: httpx.Response(200, content=f'[{{"id":1,"name":"{escaped}"}}]'))
    source = make("codearts", vendor, auth={"type": "token", "token": SecretStr(PLAIN)})
    assert [hook.name for hook in await source.hooks(Operation(5))] == ["***"]


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-32-be", "latin-1", "gbk"])
async def test_secret_is_found_in_every_charset(charset: str) -> None:
    content = json.dumps([{"id": 1, "name": PLAIN}]).encode(charset)
    headers = {"Content-Type": f"application/json; charset={charset}"}
    vendor = Vendor(lambda _: httpx.Response(200, content=content, headers=headers))
    source = make("codearts", vendor, auth={"type": "token", "token": SecretStr(PLAIN)})
    assert [hook.name for hook in await source.hooks(Operation(5))] == ["***"]


async def test_organisation_is_not_secret() -> None:
    stream = Stream(key="-", place=("DEV", "41"))
    row = {**ROWS["yandex-tracker"][0], "issueId": "7405813"}
    source = make("yandex-tracker", Vendor(lambda _: answer([row])))
    page = await source.vendor.read_page(stream, Window(limit=5), Criteria(), Operation(5))
    assert page.logs[0].correlation_id == "7405813"
