from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.model import Header
from gateway.normalise.redaction import (
    MASK,
    redact_headers,
    redact_json,
    redact_text,
    redact_url,
)

UUID = "7f0c2c4e-31f6-4a0a-9a77-5f2d2b1f9b10"
RANDOM = "k3j9x2m4n7b8v5c1z6l0q9w8e7r6t5y4"
HEX_32 = "a642c851d4dc4853b595e5c8a5e56df7"
# Built from parts, so that no scanner mistakes an invented token for a leaked one.
WEB_TOKEN = f"eyJ{'a1B2' * 5}.eyJ{'a1B2' * 5}.{'a1B2' * 5}"
TOKENS = [
    WEB_TOKEN,
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2" * 10,
    "glpat-" + "a1-B" * 5,
    "xoxb-" + "123-" * 5 + "abc",
    "sk_live_" + "a1B2" * 6,
    "whsec_" + "a1B2" * 8,
    "AKIA" + "A1B2" * 4,
    "AIza" + "a1B2-" * 7,
    "ya29." + "a1B2" * 8,
    "t1." + "9euelZ" * 6 + "." + "a1B2" * 20,
    "y0_" + "AgAAAA" * 9,
    "123456789:AA" + "a1B2" * 8,
    "npm_" + "a1B2" * 9,
    "SG." + "a1B2" * 5 + "." + "a1B2" * 10,
    "key-" + "0a1b2c3d" * 4,
    "hvs." + "a1B2" * 6,
    "sk-" + "a1B2" * 10,
]


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        # User-info
        ("https://user:pa55@h.example.test/x", "https://***@h.example.test/x"),
        ("https://token@h.example.test:8443/x?a=1", "https://***@h.example.test:8443/x?a=1"),
        ("https://user:p/a?s#s@h.example.test/x", "https://***@h.example.test/x"),
        ("https://u:p@ss@h.example.test/x@y", "https://***@h.example.test/x@y"),
        ("amqp://u:p@localhost", "amqp://***@localhost"),
        ("https://proxy/http://u:p@localhost/", "https://proxy/http://***@localhost/"),
        ("//u:p@h/x", "//***@h/x"),
        # Parameters, by name and by shape
        ("https://h/?token=abc&page=2", "https://h/?token=***&page=2"),
        ("https://h/?a=1&Access_Token=abc#top", "https://h/?a=1&Access_Token=***#top"),
        ("https://h/?sv=2020&sig=a%2Bb%3D&se=2026", "https://h/?sv=2020&sig=***&se=2026"),
        ("https://h/?key=abc&code=def&auth=x", "https://h/?key=***&code=***&auth=***"),
        (
            "https://h/?apiKey=a&pwd=b&user[password]=c",
            "https://h/?apiKey=***&pwd=***&user[password]=***",
        ),
        ("https://h/?access%5Ftoken=abc", "https://h/?access%5Ftoken=***"),
        (
            "https://h/?X-Amz-Date=1&X-Amz-Signature=a",
            "https://h/?X-Amz-Date=1&X-Amz-Signature=***",
        ),
        ("https://h/?X-Amz-Credential=a%2F1", "https://h/?X-Amz-Credential=***"),
        ("https://h/?X-Amz-Security-Token=a", "https://h/?X-Amz-Security-Token=***"),
        (f"https://h/?state={RANDOM}", "https://h/?state=***"),
        (f"https://h/?{RANDOM}", "https://h/?***"),
        (f"https://h/?x={WEB_TOKEN}", "https://h/?x=***"),
        ("https://h/?to=bob%40example.com&n=1", "https://h/?to=***&n=1"),
        (
            "https://h/?next=https%3A%2F%2Fu%3Ap%40i%2Fq",
            "https://h/?next=https%3A%2F%2F***%40i%2Fq",
        ),
        ("https://h/#access_token=abc&state=1", "https://h/#access_token=***&state=1"),
        ("https://h/#/route?token=abc", "https://h/#/route?token=***"),
        # The addresses of well-known receivers
        ("https://t/bot123:AAabc-def/sendMessage", "https://t/bot123:***/sendMessage"),
        ("https://t/bot123****:AAHC****/sendMessage", "https://t/bot123****:***/sendMessage"),
        ("https://s/services/T01/B02/abcDEF", "https://s/services/T01/B02/***"),
        ("https://s/workflows/T01/A02/33/abcDEF", "https://s/workflows/T01/A02/33/***"),
        ("https://d/api/webhooks/123/ab-CD_ef", "https://d/api/webhooks/123/***"),
        (
            f"https://o/webhookb2/{UUID}@{UUID}/IncomingWebhook/{HEX_32}/{UUID}",
            f"https://o/webhookb2/{UUID}@{UUID}/IncomingWebhook/***/{UUID}",
        ),
        ("https://z/hooks/catch/123/abc12de/", "https://z/hooks/catch/123/***/"),
        ("https://i/trigger/e/with/key/cX1Y2z", "https://i/trigger/e/with/key/***"),
        (f"https://f/open-apis/bot/v2/hook/{UUID}", "https://f/open-apis/bot/v2/hook/***"),
        ("https://m/hooks/abcdefghijklmnopqrstuvwxyz", "https://m/hooks/***"),
        ("https://h/api/token/s3cr3t-42/run", "https://h/api/token/***/run"),
        # Anything else that looks random
        (f"https://h/in/{RANDOM}/x", "https://h/in/***/x"),
        ("https://h/SGVsbG8gV29ybGQhIFRoaXMgaXM%3D", "https://h/***"),
        (f"https://h/{HEX_32}{HEX_32}", "https://h/***"),
        # Not a URL
        ("no url, token=abc", "no url, token=***"),
        ("user:pass@h.example.test/x", "user:***/x"),
        ("http://[::1/x?token=abc", "http://[::1/x?token=***"),
    ],
)
def test_secrets_in_a_url_are_masked(url: str, clean: str) -> None:
    assert redact_url(url) == clean


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://ci.example.test/hook",
        "https://my-webhook-server:8443",
        "http://auth-token:8080/x",
        "https://[::1]:8080/a@b",
        f"https://h.example.test/?uuid={UUID}&n=12345678901234567890123",
        f"https://repo.example.test/v4/projects/{HEX_32}/hooks/1/logs/1",
        f"https://h/deliveries/{UUID}/wh-{UUID}",
        f"https://git.example.test/acme/payments/commit/{HEX_32}0123abcd",
        "https://h/67c6c1f2a1b2c3d4e5f60718/12345678901234567890123",
        "https://h/processIncomingWebhookEventsV2/base64EncodedImageUploads",
        "https://h/how-to-set-up-webhooks-in-2024-part-2/20240115T101112Z",
        "https://h/pods/payment-7d9f8b6c5d-x2kqp/log",
        "https://ru.wikipedia.org/wiki/%D0%9F%D1%80%D0%B8%D0%B2%D0%B5%D1%82_%D0%BC%D0%B8%D1%80",
        "https://h/services/Tasks/Billing/report",
        "https://h/?issueKey=DEV-123&max_tokens=512&monkey=1&sort=key",
        "https://h/?a=b=c&&=&x#section-2",
        "not a url\x00\ud800",
    ],
)
def test_url_without_secrets_is_unchanged(url: str) -> None:
    assert redact_url(url) == url


SECRET_NAMES = [
    "password", "Passwd", "user_password", "passwordHash", "passphrase", "pwd", "secret",
    "client_secret", "clientSecret", "secrets", "secret_key", "SECRETKEY", "token", "accessToken",
    "x-auth-token", "token1", "api_key", "apikey", "API-Key", "private_key", "signing-key",
    "aws_secret_access_key", "session_key", "authorization", "Proxy-Authorization", "cookie",
    "authorization_code", "Set-Cookie", "signature", "X-Hub-Signature-256", "x-shopify-hmac-sha256",
    "sig", "credentials", "jwt", "otp", "cvv", "connectionString", "PHPSESSID",
]  # fmt: skip
INNOCENT_NAMES = [
    "key", "keyboard", "monkey", "tokens", "max_tokens", "token_type", "token_count", "tokenized",
    "issueKey", "primary_key", "secretary", "author", "authority", "authentication", "cookie_count",
    "signal", "signed_at", "assignee", "config", "triggerId", "code", "status", "pass", "x",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_values_of_secret_names_are_masked(name: str) -> None:
    assert redact_json({name: "a", "n": "a"}) == {name: MASK, "n": "a"}
    assert redact_json({name: {"a": ["b", 1, None, True]}}) == {
        name: {"a": [MASK, MASK, None, True]}
    }
    assert redact_text(f"{name}=ab\nx") == f"{name}={MASK}\nx"
    assert redact_text(f"{name}: abc1\nx") == f"{name}: {MASK}\nx"
    assert redact_text(f'{{"{name}" : "a\\"b","x":1') == f'{{"{name}" : "{MASK}","x":1'
    assert redact_text(f"<{name}>a b</{name}>") == f"<{name}>{MASK}</{name}>"
    assert redact_url(f"https://h/?{name}=a&x=b") == f"https://h/?{name}={MASK}&x=b"
    assert redact_headers({name: "a"}) == (Header(name, MASK, redacted=True),)


@pytest.mark.parametrize("name", INNOCENT_NAMES)
def test_values_of_other_names_are_unchanged(name: str) -> None:
    assert redact_json({name: "abc"}) == {name: "abc"}
    assert redact_text(f"{name}: abc") == f"{name}: abc"
    assert redact_text(f'{name}=abc "{name}": "abc"') == f'{name}=abc "{name}": "abc"'


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("frame", ["{}", "got {}, sorry", 'say "{}"', "a={}", "https://h/{}/x"])
def test_tokens_of_known_shapes_are_masked_everywhere(frame: str, token: str) -> None:
    text = frame.format(token)
    secret = token[-16:]
    for clean in (
        redact_text(text),
        redact_url(text),
        json.dumps(redact_json({"a": [text]})),
        redact_text(json.dumps({"a": json.dumps([text])})),
        redact_headers([("X-A", text)])[0].value,
    ):
        assert clean is not None
        assert secret not in clean
        assert MASK in clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer abc", "Authorization: ***"),
        ("Authorization: Digest username=bob, nonce=1\nHost: x", "Authorization: ***\nHost: x"),
        ("-H 'Authorization: Bearer abc' https://u:p@h/", "-H 'Authorization: ***' https://***@h/"),
        ("map[Authorization:[Bearer abc] Accept:[*/*]]", "map[Authorization:[***] Accept:[*/*]]"),
        ("Set-Cookie: a=b; Path=/\nX: y", "Set-Cookie: ***\nX: y"),
        ("sent bearer abcDEF123 to h", "sent bearer *** to h"),
        ("Basic dXNlcjpwYXNz, sent", "Basic ***, sent"),
        ("login of bob@example.com.", "login of ***."),
        ("<bob+tag@mail.example.com>, иван@пример.рф", "<***>, ***"),
        ("user=bob password=hunter2, next", "user=bob password=***, next"),
        ("AccountKey=a+/b==;Suffix=net", "AccountKey=***;Suffix=net"),
        ("{'password': 'hunter2', 'a': 1}", "{'password': '***', 'a': 1}"),
        (":password=>'hunter2'", ":password=>'***'"),
        ("API key: abc1 is bad", "API key: *** is bad"),
        ("secret: token: abc1", "secret: *** ***"),
        ("token: Bearer abc", "token: ***"),
        ("(see https://h/x?token=abc).", "(see https://h/x?token=***)."),
        ("İPassword=abc", "İPassword=***"),
        ('{"url":"https:\\/\\/u:p@h\\/x","a":', '{"url":"https:\\/\\/***@h\\/x","a":'),
        ('{\\"password\\":\\"a\\\\\\"b\\",\\"x\\":1', '{\\"password\\":\\"***\\",\\"x\\":1'),
        ('{"password":"cut off he', '{"password":"***'),
        ('{"password":"a","password":""}', '{"password":"***","password":""}'),
        (
            "<p:Password Type='x'><![CDATA[a]]></p:Password>",
            "<p:Password Type='x'><![CDATA[***</p:Password>",
        ),
        ("a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b", "a *** b"),
        ("-----BEGIN PRIVATE KEY-----\nMII", "***"),
        ("grant_type=x&client_secret=y&code=z", "grant_type=x&client_secret=***&code=***"),
        ("payload=%7B%22token%22%3A+%22a%22%7D", "payload=%7B%22token%22%3A%22***%22%7D"),
    ],
)
def test_secrets_in_text_are_masked(text: str, clean: str) -> None:
    assert redact_text(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "dial tcp 10.0.0.9:8443: connect: connection refused",
        "Received a status code outside of 2xx range - treating webhook as a fail",
        "dial tcp: lookup auth-token on 10.0.0.2:53: no such host",
        "oauth2: cannot fetch token: 401 Unauthorized",
        "invalid token: token has expired",
        "password: incorrect. token: null",
        "Basic authentication failed, Bearer realm='x'",
        "x509: certificate is valid for a.example.test, not b.example.test",
        "push_hooks translation.statusChanged order.paid internal error",
        "2026-03-04T09:10:11.120Z 2026-03-04 17:10:11 +0800",
        f"{UUID} {HEX_32} sha256:{HEX_32}{HEX_32}",
        "git@git.example.test:acme/payments.git node@1.2.3",
        "code=500 exit_code=1 key=DEV-123",
        "task-force-of-the-night-shift-team eyJust words",
        "token=****** password: " + "X" * 3,
        "<token/> <html><b>bad gateway</b></html>",
        "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
        '{"a": 1.0,  "b": [true, null], "c": "Привет", "d": NaN}',
        '  {"text": "{\\"n\\": 1}", "big": 123456789012345678901234567890}',
    ],
)
def test_text_without_secrets_is_unchanged(text: str) -> None:
    assert redact_text(text) == text
    assert redact_json([text]) == [text]


@pytest.mark.parametrize(
    ("body", "clean"),
    [
        ('{ "token": "a", "п": "Привет", "n": 1.0 }', '{"token":"***","п":"Привет","n":1.0}'),
        (r'{"a": "{\"token\": \"b\"}"}', r'{"a":"{\"token\":\"***\"}"}'),
        (r'"{\"token\": 1}"', r'"{\"token\":\"***\"}"'),
        (r'{"\u0074oken": "a", "x": "\ud800"}', r'{"token":"***","x":"\ud800"}'),
        (
            '{"token":"a","big":123456789012345678901234567890}',
            '{"token":"***","big":123456789012345678901234567890}',
        ),
    ],
)
def test_json_is_encoded_again_if_something_was_masked(body: str, clean: str) -> None:
    assert redact_text(body) == clean


def test_json_documents_are_redacted_by_key_and_by_value() -> None:
    document = {
        "configuration": {"url": "https://u:p@erp.example.test/hook", "secret_key": "a"},
        "headers": {"X-Repo-Token": "******", "Authorization": ["Bearer a", ""]},
        "variables": [{"key": "DB_PASSWORD", "value": "a"}, {"name": "LEVEL", "value": "info"}],
        "people": {"bob@example.com": {"email": "bob@example.com", "name": "Bob"}},
        "flags": {"token": None, "has_password": True, "secret": ""},
    }
    before = copy.deepcopy(document)
    assert redact_json(document) == {
        "configuration": {"url": "https://***@erp.example.test/hook", "secret_key": MASK},
        "headers": {"X-Repo-Token": "******", "Authorization": [MASK, ""]},
        "variables": [{"key": "DB_PASSWORD", "value": MASK}, {"name": "LEVEL", "value": "info"}],
        "people": {MASK: {"email": MASK, "name": "Bob"}},
        "flags": {"token": None, "has_password": True, "secret": ""},
    }
    assert document == before


def test_values_nested_too_deeply_are_masked() -> None:
    document: Any = "deep"
    for _ in range(100_000):
        document = [document]
    clean = redact_json(document)
    depth = 0
    while clean != MASK:
        [clean] = clean
        depth += 1
    assert depth == 64
    while isinstance(document, list):  # else freeing it recurses as deep as it is
        [document] = document


@pytest.mark.slow
def test_text_nested_too_deeply_is_masked() -> None:
    body = json.dumps({"password": "hunter2"})
    for _ in range(8):
        body = json.dumps({"a": body})
    url = "https://h/?token=hunter2"
    for _ in range(8):
        url = "https://h/?next=" + url.replace("%", "%25").replace("&", "%26").replace("=", "%3D")
    unbalanced = "[" * 100_000 + '{"password": "hunter2"}'
    form = "a=" * 10_000 + "%25&password=hunter2"
    for text in (body, url, unbalanced, form):
        assert "hunter2" not in redact_text(text)


def test_header_values_of_any_json_type_become_text() -> None:
    assert redact_headers(
        {
            "Content-Length": 0,
            "Accept": ["a/b", "c/d"],
            "X-Flag": True,
            "X-None": None,
            "X-Object": {"a": 1, "token": "b"},
            "Date": "Wed, 04 Mar 2026 09:10:11 GMT",
            "Idempotency-Key": "order-17",
            "Location": "https://h/?token=a",
            "Server": "X" * 3,
            "X-Repo-Token": "******",
            "X-Startrek-Transport": "q8T1******",
            "X-Custom-Key": 42,
            "X-Auth": "abc",
            "Authorization": "",
        }
    ) == (
        Header("Content-Length", "0", redacted=False),
        Header("Accept", "a/b, c/d", redacted=False),
        Header("X-Flag", "true", redacted=False),
        Header("X-None", "", redacted=False),
        Header("X-Object", '{"a": 1, "token": "***"}', redacted=True),
        Header("Date", "Wed, 04 Mar 2026 09:10:11 GMT", redacted=False),
        Header("Idempotency-Key", "order-17", redacted=False),
        Header("Location", "https://h/?token=***", redacted=True),
        Header("Server", "X" * 3, redacted=True),
        Header("X-Repo-Token", "******", redacted=True),
        Header("X-Startrek-Transport", "q8T1******", redacted=True),
        Header("X-Custom-Key", MASK, redacted=True),
        Header("X-Auth", MASK, redacted=True),
        Header("Authorization", "", redacted=False),
    )


def test_repeated_headers_keep_their_order() -> None:
    headers = redact_headers([("Via", "a"), ("Cookie", "b"), ("Via", "c")])
    assert [(header.name, header.value) for header in headers] == [
        ("Via", "a"),
        ("Cookie", MASK),
        ("Via", "c"),
    ]


# Words that the rules look for, and the characters around the values that they mask.
PIECES = [
    "password", "token", "api_key", "Authorization", "Cookie", "sig", "code", "user", "Bearer ",
    "Basic ", "abc12345", "expired", "null", "=", ":", ": ", '"', "'", "\\", '\\"', "{", "}", "[",
    "]", ",", ".", ";", "&", "?", "#", "/", "//", "https://", "\\/", "@", "git@", "u:p@h.io",
    "bob@example.com", "***", "*", "%40", "%3A", "%2F", "%3D", "%26", "%22", "%7B", "%25", "+", " ",
    "\n", "<", ">", "</", "<token>", "<![CDATA[", "eyJ", "/bot123:", "/hooks/catch/1/", "\\u0041",
    "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "İ", "-", "_", RANDOM, UUID,
    *TOKENS,
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text()
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(SECRET_NAMES + INNOCENT_NAMES) | texts, inner, max_size=3)
        | inner.map(json.dumps)
    ),
    max_leaves=6,
)


@pytest.mark.slow
@given(texts)
@example("/hooks/catch/1/https://http://u:p@//x")
@example("code=1%-----BEGIN PRIVATE KEY-----")
@example("//-----BEGIN PRIVATE KEY----- -----END PRIVATE KEY-----a@")
def test_redaction_of_text_is_idempotent(text: str) -> None:
    for redact in (redact_url, redact_text):
        clean = redact(text)
        assert redact(clean) == clean


@pytest.mark.slow
@given(documents)
def test_redaction_of_a_document_is_idempotent(document: Any) -> None:
    clean = redact_json(document)
    assert redact_json(clean) == clean


@pytest.mark.slow
@given(st.dictionaries(texts, documents))
def test_json_text_and_document_are_redacted_alike(document: dict[str, Any]) -> None:
    body = redact_text(json.dumps(document))
    assert body is not None
    assert json.loads(body) == redact_json(document)


@pytest.mark.slow
@pytest.mark.parametrize(
    "frame",
    [
        "https://user:{}@h.example.test/",
        "https://h/?api_key={}&a=b",
        "https://h/cb#access_token={}",
        "https://api.telegram.org/bot1234:{}/sendMessage",
        "POST https://h/services/T01/B02/{} failed",
        "X-Api-Key: {}",
        "Authorization: Bearer {}",
        "login with password={}",
        '{{"client_secret": "{}", "cut": "o',
        '{{"a": [{{"client_secret": "{}"}}]}}',
        '{{"a": "{{\\"secret\\": \\"{}\\"}}"}}',
        "a=b&password={}&c=d",
        "<Password>{}</Password>",
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    ],
)
@given(secret=st.text("abcdefghijkLMNOPQRST0123456789-_", min_size=8, max_size=40))
def test_planted_secret_never_survives(frame: str, secret: str) -> None:
    text = frame.format(secret)
    assert secret not in redact_text(text)
    assert secret not in redact_url(text)
    assert secret not in str(redact_json({"a": [text]}))
    assert secret not in redact_headers([("X-A", text)])[0].value


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        "a", "a@", "b1.", "password", "password=", "token:is.", "token:[", "token:\\", "\n", "k3j9",
        "token='\\\"", "authorization: ", "//a:b", "@//a:b", "https://a@", "http://a/", "t1.",
        "--token ", "-p", "-pa1", " -u a:", "curl -u a:b ",
        "mysql -p", "docker login ", "name: token, value: ", "name: token\n",
        '("token", "', "('a', ",
        "<a b='c' ", "<a name='token'>", "<name>token</name><value>", "<name>token</name> ",
        "form-data; name=token", "form-data; name=token\n\n", "identified by '", "password '",
        "insert into a (", "insert into a (password) values (", "token: |\n  a", "token  ", "%3a",
        "token%3d", "%257b", "set token ", "login a password ", "oracle:thin:a/", "passwd:",
        "token]]]", "`token`: ", "a=b;", "token=a;b", "token=;a ", '\\"token', "password]%5d",
        "name=password&value=a&", "-----BEGIN", "requirepass a\n", "sqlplus a/", "--cookie ",
        "/bot111", "/services/T", "<token>", "<token ", "-----BEGIN PRIVATE KEY", "Bearer a", "eyJ",
        ":AA", "?a=", "a=b&", "%25", "a=%25", "[", '{"a":', '"', "\\/", f"/{UUID}",
    ],
)  # fmt: skip
def test_redaction_takes_linear_time(unit: str) -> None:
    # With a pattern of quadratic complexity, this would take minutes.
    text = unit * (100_000 // len(unit))
    assert redact_text(f"x@{text}")
    assert redact_url(f"https://h/{text}")
