"""Text is decoded as declared, and undecodable bytes are never silently replaced."""

from __future__ import annotations

import codecs
import functools
import gzip
import json
import zlib
from typing import Any

import httpx
import pytest

from gateway.errors import ErrorCode, UpstreamError
from gateway.normalise.damaged import WARNING, Damaged
from gateway.upstream.operation import Operation
from gateway.vendors.pages import Criteria, Window
from tests.upstream.network import Body, call, client_of
from tests.vendors.documents import STREAMS
from tests.vendors.vendors import Vendor, make

DOCUMENT = {"name": "Zoë déjà №5 联通 «ж»"}
WESTERN = {"name": "Zoë déjà ÿ"}
RUSSIAN = {"name": "Привет"}
CHINESE = {"name": "联通服务"}


def text_of(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False)


CHARSETS: list[tuple[str, bytes, Any]] = [
    ("", text_of(DOCUMENT).encode(), DOCUMENT),
    ("utf-8", text_of(DOCUMENT).encode(), DOCUMENT),
    ('"UTF-8"', text_of(DOCUMENT).encode(), DOCUMENT),
    ("utf8", text_of(DOCUMENT).encode("utf-8-sig"), DOCUMENT),
    ("utf8mb4", text_of(DOCUMENT).encode(), DOCUMENT),
    ("binary", text_of(DOCUMENT).encode(), DOCUMENT),
    ("base64", text_of(DOCUMENT).encode(), DOCUMENT),
    ("unicode_escape", text_of(DOCUMENT).encode(), DOCUMENT),
    ("", text_of(DOCUMENT).encode("utf-16"), DOCUMENT),
    ("", codecs.BOM_UTF16_BE + text_of(DOCUMENT).encode("utf-16-be"), DOCUMENT),
    ("", text_of(DOCUMENT).encode("utf-32"), DOCUMENT),
    ("", text_of(DOCUMENT).encode("utf-16-le"), DOCUMENT),
    ("", text_of(DOCUMENT).encode("utf-16-be"), DOCUMENT),
    ("", text_of(DOCUMENT).encode("utf-32-be"), DOCUMENT),
    ("utf-16", text_of(DOCUMENT).encode("utf-16-be"), DOCUMENT),
    ("utf-16le", text_of(DOCUMENT).encode("utf-16-le"), DOCUMENT),
    ("latin-1", text_of(WESTERN).encode("latin-1"), WESTERN),
    ("ISO-8859-1", text_of(WESTERN).encode("latin-1"), WESTERN),
    ("windows-1252", text_of({"name": "“Zoë” 5 €"}).encode("cp1252"), {"name": "“Zoë” 5 €"}),
    ("iso-8859-15", text_of({"name": "5 €"}).encode("iso-8859-15"), {"name": "5 €"}),
    ("windows-1251", text_of(RUSSIAN).encode("cp1251"), RUSSIAN),
    ("koi8-r", text_of(RUSSIAN).encode("koi8-r"), RUSSIAN),
    ("gbk", text_of(CHINESE).encode("gbk"), CHINESE),
    ("GB2312", text_of(CHINESE).encode("gb2312"), CHINESE),
    ("gb18030", text_of(CHINESE).encode("gb18030"), CHINESE),
    ("big5", text_of({"name": "聯通"}).encode("big5"), {"name": "聯通"}),
    ("shift_jis", text_of({"name": "テスト"}).encode("shift_jis"), {"name": "テスト"}),
    ("iso-2022-jp", text_of({"name": "テスト"}).encode("iso-2022-jp"), {"name": "テスト"}),
    # Servers may declare a default charset although the text is UTF-8.
    ("iso-8859-1", text_of(DOCUMENT).encode(), DOCUMENT),
    ("us-ascii", text_of(DOCUMENT).encode(), DOCUMENT),
    ("koi8-r", b'{"a":1}', {"a": 1}),
    # Marks and fillers around the document
    ("", b' \n\xef\xbb\xbf{"a":1}', {"a": 1}),
    ("", b'\xef\xbb\xbf\xef\xbb\xbf{"a":1}', {"a": 1}),
    ("", b'{"a":1}\0', {"a": 1}),
    ("", b'{"a":1}\r\n\x1a', {"a": 1}),
    ("", b'\xc2\xa0{"a":1}', {"a": 1}),
]


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("charset", "content", "expected"), CHARSETS, ids=range(len(CHARSETS)))
async def test_text_is_decoded_as_it_was_encoded(
    charset: str, content: bytes, expected: Any
) -> None:
    kind = f"application/json; charset={charset}" if charset else "application/json"
    client = client_of(
        lambda _: httpx.Response(200, content=content, headers={"Content-Type": kind})
    )
    document = await call(client)
    assert document == expected
    assert not isinstance(document, Damaged)


@pytest.mark.parametrize(
    ("charset", "content", "name"),
    [
        ("", b'"caf\xe9"', "caf\\xe9"),
        ("utf-8", b'"\xe2\x82"', "\\xe2\\x82"),
        ("us-ascii", b'"caf\xe9"', "caf\\xe9"),
        ("gbk", b'"\xff\xe9"', "\\xff\\xe9"),
        ("", b'"half \\ud83d"', "half \\ud83d"),
    ],
)
async def test_row_with_undecodable_text_has_a_warning(
    charset: str, content: bytes, name: str
) -> None:
    """The undecodable bytes are shown, and the other rows are intact."""
    rows = b'[{"id":1,"trigger":"good"},{"id":2,"request_data":' + content + b"}]"
    kind = f"application/json; charset={charset}" if charset else "application/json"
    response = httpx.Response(200, content=rows, headers={"Content-Type": kind})
    source = make("codearts", Vendor(lambda _: response))
    page = await source.vendor.read_page(
        STREAMS["codearts"], Window(limit=5), Criteria(), Operation(5)
    )
    good, bad = page.logs
    assert bad.request is not None
    assert bad.request.body == name
    assert WARNING in bad.warnings
    assert WARNING not in good.warnings
    assert "\ufffd" not in str(page)


PLAIN = b'{"data":[1,2,3]}'
packed = functools.partial(gzip.compress, mtime=0)  # so that each run names the test alike
RAW = zlib.compressobj(wbits=-15)
PACKED: list[tuple[str, bytes]] = [
    ("gzip", packed(PLAIN)),
    ("GZIP", packed(PLAIN)),
    ("x-gzip", packed(PLAIN)),
    ("gzip", packed(PLAIN[:5]) + packed(PLAIN[5:])),
    ("gzip", packed(b"") + packed(PLAIN)),
    ("gzip", packed(PLAIN) + b"\0" * 20),
    ("deflate", zlib.compress(PLAIN)),
    ("deflate", RAW.compress(PLAIN) + RAW.flush()),
    ("deflate, gzip", packed(zlib.compress(PLAIN))),
    ("identity", PLAIN),
    ("gzip, identity", packed(PLAIN)),
    ("utf-8", PLAIN),
    ("none", PLAIN),
    # A proxy that decompressed a body but left the header.
    ("br", PLAIN),
    ("gzip", PLAIN),
    ("deflate", b" \n" + PLAIN),
    ("gzip;q=1.0", gzip.compress(PLAIN, mtime=0)),
    ("deflate", gzip.compress(PLAIN, mtime=0)),
    ("8bit", PLAIN),
    # A file that was compressed in advance.
    ("", gzip.compress(PLAIN, mtime=0)),
    ("identity", gzip.compress(PLAIN, mtime=0)),
]


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("packing", "content"), PACKED, ids=range(len(PACKED)))
async def test_body_is_decompressed_in_every_form_of_a_coding(packing: str, content: bytes) -> None:
    half = len(content) // 2
    stream = Body([content[:half], content[half:]])
    client = client_of(
        lambda _: httpx.Response(200, stream=stream, headers={"Content-Encoding": packing})
    )
    assert await call(client) == {"data": [1, 2, 3]}


@pytest.mark.parametrize("packing", ["br", "zstd", "compress", "gzip, br", "aws-chunked"])
async def test_unknown_coding_is_named(packing: str) -> None:
    stream = Body([b"\x1b\x0f\0\xf8packed"])
    client = client_of(
        lambda _: httpx.Response(200, stream=stream, headers={"Content-Encoding": packing})
    )
    with pytest.raises(UpstreamError) as failure:
        await call(client)
    assert failure.value.code is ErrorCode.UPSTREAM_INVALID_RESPONSE
    assert f"packed its answer as {packing}, for which it was not asked" in str(failure.value)


@pytest.mark.parametrize(
    ("packing", "content"),
    [
        ("deflate", zlib.compress(PLAIN)[:-3]),
        ("deflate", b"\xff\xff\xff"),
        ("gzip", gzip.compress(PLAIN, mtime=0) + gzip.compress(PLAIN, mtime=0)[:-9]),
        ("gzip, gzip, gzip, gzip", gzip.compress(PLAIN, mtime=0)),
        ("gzip", b"packed"),
        ("", gzip.compress(PLAIN, mtime=0)[:-9]),
    ],
)
async def test_damaged_compression_is_reported(packing: str, content: bytes) -> None:
    stream = Body([content])
    client = client_of(
        lambda _: httpx.Response(200, stream=stream, headers={"Content-Encoding": packing})
    )
    with pytest.raises(UpstreamError, match="can't be unpacked; check base_url"):
        await call(client)
