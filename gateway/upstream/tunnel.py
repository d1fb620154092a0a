"""A tunnel through an HTTP proxy, by CONNECT (RFC 9110, section 9.3.6)."""

from __future__ import annotations

import asyncio
import re
import socket

MAX_ANSWER = 64 * 2**10
"""Maximum bytes of the proxy's answer."""

_NO_HTTP = "no HTTP"
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")


class ProxyRefusedError(Exception):
    """A proxy opened no tunnel; the text is its status, or "no HTTP"."""


async def open_tunnel(sock: socket.socket, host: str, port: int, authorization: str | None) -> None:
    """Have the proxy behind a connected socket connect it to a server; on failure, close it.

    Raises ProxyRefusedError or OSError.
    """
    loop = asyncio.get_running_loop()
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if authorization is not None:
        request += f"Proxy-Authorization: {authorization}\r\n"
    try:
        await loop.sock_sendall(sock, f"{request}\r\n".encode("ascii"))
        answer = b""
        # The server is silent until TLS begins, so nothing follows the proxy's answer.
        while b"\r\n\r\n" not in answer:
            received = await loop.sock_recv(sock, MAX_ANSWER)
            answer += received
            if not received or len(answer) > MAX_ANSWER:
                break
        found = _STATUS.match(answer)
        status = found[1].decode() if found else ""
        if not status.startswith("2"):
            raise ProxyRefusedError(status or _NO_HTTP)
        if not answer.endswith(b"\r\n\r\n"):
            raise ProxyRefusedError(_NO_HTTP)
    except BaseException:
        sock.close()
        raise
