"""A Language Weaver audit list, served so fast that a benchmark measures what is in front of it.

nginx serves it from files where it is installed, else a small server of this module, in a process
of its own: ``python -m tests.benchmarks.audit_list FOLDER PORT``.

``GET /SET/api/v2/audit/webhooks?perPage=N`` has N rows, for each N that was written, as one page;
later pages are empty. ``GET /requests`` counts the requests, as nginx's ``stub_status`` does. The
sets are ``rows``, ``large`` with bodies of 84 kB, ``changed``, in which one row in twenty differs
from one response to the next, and ``tenant-1`` to ``tenant-4``.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import getpass
import json
import os
import random
import shutil
import sys
import uuid
from pathlib import Path
from typing import Any

Row = dict[str, Any]

TENANTS = ("tenant-1", "tenant-2", "tenant-3", "tenant-4")
LARGE_ROWS = 100
LARGE_BODY = 84_000
CHANGING = "CHANGING"
"""In the files, what differs from one response to the next."""
CHANGED_EVERY = 20
WINDOW = 18 * 3600 * 10**6
"""Microseconds over which the rows are spread."""
ERRORS = (
    "dial tcp 10.40.7.21:8443: connect: connection refused",
    "dial tcp: lookup cms.nordwind.example: no such host",
    "x509: certificate has expired or is not yet valid",
    "unexpected response status: 503 Service Unavailable",
)
EVENTS = ("translation.created", "translation.statusChanged")


def _time(microseconds: int, nanoseconds: int) -> str:
    seconds, fraction = divmod(microseconds, 10**6)
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{fraction:06d}{nanoseconds:03d}Z"


def make(name: str, count: int, now: float) -> list[Row]:
    """Make the rows of a set, newest first; the same every time but for their times."""
    chance = random.Random(name)
    hooks = [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(5)]
    ages = sorted(chance.sample(range(60 * 10**6, WINDOW), count))
    rows = []
    for index, age in enumerate(ages):
        hook, failed = chance.choice(hooks), index % 5 == chance.randrange(5)
        triggered, nanoseconds = int(now * 10**6) - age, chance.randrange(1000)
        data = {"translationId": str(uuid.UUID(int=chance.getrandbits(128), version=4))}
        error = chance.choice(ERRORS) if failed else ""
        if name == "large":
            data["text"] = " ".join(["The quick brown fox of row", str(index)] * (LARGE_BODY // 30))
        if name == "changed" and index % CHANGED_EVERY == 0:
            error = f"unexpected response status: 503, attempt {CHANGING}"
        rows.append(
            {
                "id": 184_321 - index,
                "uuid": hook,
                "url": f"https://{name}.example:8443/hooks/{hooks.index(hook)}",
                "event": chance.choice(EVENTS),
                "timeTriggered": _time(triggered, nanoseconds),
                "timeLastAttempted": _time(triggered + chance.randrange(900_000), nanoseconds),
                "data": data,
                "errorMessage": error,
                "retryAttempts": chance.randint(1, 5) if failed else 0,
            }
        )
    return rows


def write(folder: Path, counts: list[int], now: float) -> dict[str, list[Row]]:
    """Write the responses under ``folder``; return the rows of each set."""
    sets = {name: make(name, max(counts), now) for name in ("rows", "changed", *TENANTS)}
    sets["large"] = make("large", LARGE_ROWS, now)
    for name, rows in sets.items():
        for count in [LARGE_ROWS] if name == "large" else counts:
            for part, entries in (("first", rows[:count]), ("later", [])):
                page = {
                    "entries": entries,
                    "page": 1 if part == "first" else 2,
                    "perPage": count,
                    "totalPages": 1,
                    "totalItems": count,
                }
                file = folder / "www" / name / part / f"{count}.json"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(page, separators=(",", ":")))
    return sets


def command(folder: Path, port: int) -> list[str]:
    """Return the command that serves what was written."""
    nginx = shutil.which("nginx")
    if nginx is None:
        return [sys.executable, "-m", "tests.benchmarks.audit_list", str(folder), str(port)]
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    text = NGINX.replace("@USER@", user).replace("@FOLDER@", str(folder))
    text = text.replace("@PORT@", str(port)).replace("@CHANGING@", CHANGING)
    (folder / "nginx.conf").write_text(text)
    log = str(folder / "nginx.log")
    return [nginx, "-p", str(folder), "-e", log, "-c", str(folder / "nginx.conf")]


# Cache-Control lets the HTTP caches of other gateways work.
NGINX = """
@USER@
worker_processes 1;
daemon off;
pid @FOLDER@/nginx.pid;
error_log @FOLDER@/nginx.log;
events { worker_connections 4096; }
http {
  access_log off;
  types { }
  default_type application/json;
  client_body_temp_path @FOLDER@/body;
  proxy_temp_path @FOLDER@/proxy;
  fastcgi_temp_path @FOLDER@/fastcgi;
  uwsgi_temp_path @FOLDER@/uwsgi;
  scgi_temp_path @FOLDER@/scgi;
  sendfile on;
  tcp_nodelay on;
  keepalive_timeout 3600s;
  keepalive_requests 1000000000;
  open_file_cache max=1000 inactive=3600s;
  open_file_cache_valid 3600s;
  etag off;
  if_modified_since off;

  map $arg_page $part { default later; "" first; 1 first; }

  server {
    listen 127.0.0.1:@PORT@ backlog=1024;
    root @FOLDER@/www;
    add_header Cache-Control "max-age=3600";
    add_header Last-Modified "";

    location = /changed/api/v2/audit/webhooks {
      sub_filter_types application/json;
      sub_filter_once off;
      sub_filter @CHANGING@ $connection-$connection_requests;
      rewrite ^ /changed/$part/$arg_perPage.json break;
    }
    location ~ ^/(?<set>[a-z0-9-]+)/api/v2/audit/webhooks$ {
      rewrite ^ /$set/$part/$arg_perPage.json break;
    }
    location = /requests { stub_status; add_header Cache-Control "no-store"; }
    location / { return 404; }
  }
}
"""


class Connection(asyncio.Protocol):
    """A connection to the small server, which reads GET requests only."""

    requests = 0

    def __init__(self, folder: Path, files: dict[str, bytes]) -> None:
        self._folder = folder
        self._files = files
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        *heads, self._received = (self._received + data).split(b"\r\n\r\n")
        for head in heads:
            Connection.requests += 1
            self._transport.write(self.response(head.split(b" ", 2)[1].decode()))

    def response(self, target: str) -> bytes:
        path, _, query = target.partition("?")
        asked = dict(part.partition("=")[::2] for part in query.split("&"))
        name = path.removesuffix("/api/v2/audit/webhooks").strip("/")
        part = "first" if asked.get("page", "1") == "1" else "later"
        if path == "/requests":
            number = Connection.requests
            head = "Active connections: 1 \nserver accepts handled requests"
            content = f"{head}\n 1 1 {number} \n".encode()
        elif (found := self._read(f"{name}/{part}/{asked.get('perPage')}.json")) is None:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        else:
            content = found.replace(CHANGING.encode(), b"1-%d" % Connection.requests)
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=3600\r\n"
        )
        return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content

    def _read(self, name: str) -> bytes | None:
        file = self._folder / "www" / name
        if name not in self._files and file.is_file():
            self._files[name] = file.read_bytes()
        return self._files.get(name)


async def serve(folder: Path, port: int) -> None:
    """Serve what was written until the process is ended."""
    files: dict[str, bytes] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(folder, files), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
