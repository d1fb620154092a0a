"""Stops new connections to a listening socket, without a loss of those that are being made.

To close a listening socket resets the connections that nobody has accepted yet. One may arrive
between the last ``accept`` and ``close``; a proxy has sent a request on it by then, and must not
send a POST again. So before that, Linux is told to ignore SYN, the packet that begins a connection:
whoever sent it repeats it a second later, is refused because the socket is closed by then, and can
go elsewhere without a doubt. https://docs.kernel.org/networking/filter.html
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import sys

HANDSHAKE = 0.01
"""Seconds for the connections that began before to be made."""
_SO_ATTACH_FILTER = 26
_FLAGS, _SYN = 13, 0x02
"""The place of the flags in the header of TCP, and the flag."""
_FILTER = (
    (0x30, 0, 0, _FLAGS),  # load the byte
    (0x45, 0, 1, _SYN),  # skip an instruction unless it has the flag
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # take all of it
)
"""Instructions of the classic BPF: code, jumps if true and if false, operand."""


def ignore_new_connections(listener: socket.socket) -> None:
    """Ignore connections that begin from now on, where the system can."""
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in _FILTER))
    # struct sock_fprog: the number of instructions, and a pointer to them.
    option = struct.pack("HP", len(_FILTER), ctypes.addressof(program))
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
