"""Messages between two processes over a socket: frames of a length and a pickle.

Both ends are this package, on one machine, over a pair of sockets that no other process can open. The standard
library's ``multiprocessing.connection`` is not used since its ``send`` blocks until the whole message is written: a
solver process that stops reading in the middle of a large model would keep the caller beyond its time limit. Here a
send can be given up, and a receive with a timeout keeps what has arrived of a message, where ``Connection.poll`` is
true from the first byte on and ``recv`` then blocks.
"""

from __future__ import annotations

import pickle
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = ["Broken", "Channel"]

_HEAD = struct.Struct("!Q")
_LONGEST = 1 << 40
"""A longer frame than a terabyte is no message of ours."""
TICK = 0.05
"""Seconds between two looks at whether a wait shall be given up."""


class Broken(Exception):  # noqa: N818 - the peer is gone, which is an event and no error of ours
    """The other end is gone, or what came from there is no message."""


class Channel:
    """One end. Any thread may send; one thread receives."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)  # threads wait on their own, each as long as it likes
        self._socket = end
        self._sending = threading.Lock()
        self._frame = memoryview(bytearray(_HEAD.size))
        self._filled = 0
        self._in_head = True

    def fileno(self) -> int:
        """Return the number of the socket; -1 once closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end: the other one sees the end of its messages."""
        self._socket.close()

    def send(self, message: Any, give_up: Callable[[], bool] = lambda: False) -> bool:
        """Send a message; return False if it was given up, after which the channel is useless.

        Raises
        ------
        Broken
            If the other end is gone.
        """
        body = pickle.dumps(message, protocol=5)
        with self._sending:
            try:
                return all(self._sent(memoryview(part), give_up) for part in (_HEAD.pack(len(body)), body))
            except OSError as error:
                raise Broken(str(error)) from None

    def _sent(self, rest: memoryview, give_up: Callable[[], bool]) -> bool:
        while len(rest):
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                if not self._wait(select.POLLOUT, TICK) and give_up():
                    return False
        return True

    def _wait(self, event: int, seconds: float | None) -> bool:
        waiting = select.poll()
        waiting.register(self._socket, event)
        return bool(waiting.poll(None if seconds is None else 1000 * seconds))

    def receive(self, seconds: float | None = None) -> Any:
        """Return the next message; None if it has not arrived as a whole in time (None: no limit).

        Raises
        ------
        Broken
            If the other end is gone, or sends nonsense.
        """
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            while self._filled < len(self._frame):
                try:
                    count = self._socket.recv_into(self._frame[self._filled :])
                except BlockingIOError:
                    left = None if until is None else until - time.monotonic()
                    if left is not None and left <= 0:
                        return None
                    self._wait(select.POLLIN, left)
                    continue
                except OSError as error:
                    raise Broken(str(error)) from None
                if count == 0:
                    raise Broken("the other end closed")
                self._filled += count
            frame, self._filled = self._frame, 0
            self._in_head = not self._in_head
            if self._in_head:
                self._frame = memoryview(bytearray(_HEAD.size))
                try:
                    return pickle.loads(frame)
                except Exception as error:  # whatever nonsense makes of a pickle
                    raise Broken(f"no message: {error}") from None
            (length,) = _HEAD.unpack(frame)
            if length > _LONGEST:
                raise Broken(f"no message: a frame of {length} bytes")
            try:
                self._frame = memoryview(bytearray(length))
            except MemoryError:
                raise Broken(f"no room for a frame of {length} bytes") from None
