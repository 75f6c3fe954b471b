"""Limits the requests of clients that wait or are in progress: their number and bytes for each client, and the bytes
of all together.

A server takes `max_inflight` requests at once, and those beyond it wait with their bodies in memory (turns.py). Calls
on the direct way never wait, and are not counted: `max_inflight` bounds them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sidecar.concurrency.shares import Caller
from sidecar.flood_errors import ServerBusy
from sidecar.http_errors import BodiesLimit

if TYPE_CHECKING:
    from bridge.settings.requests import RequestSettings


class OpenRequests:
    """The requests of all clients that are not answered yet, as sizes of their bodies in bytes."""

    def __init__(self, settings: RequestSettings) -> None:
        self._settings = settings
        self._numbers: Counter[Caller] = Counter()
        self._of_client: Counter[Caller] = Counter()
        self._of_key: Counter[str] = Counter()
        self.bytes = 0
        """The bytes of all of them."""

    @contextmanager
    def counted(self, caller: Caller, size: int, number: int = 1) -> Iterator[None]:
        """Count `number` requests of a client in a body of `size` bytes while the context is open.

        Raises:
            ServerBusy: the client has too many requests open.
            BodiesLimit: the open requests of the client, of its key, or of all clients are too large.
        """
        self._check(caller, size, number)
        self._add(caller, size, number)
        try:
            yield
        finally:
            self._add(caller, -size, -number)

    def _check(self, caller: Caller, size: int, number: int) -> None:
        limits, held = self._settings, self._of_client[caller]
        if self._numbers[caller] + number > limits.max_client_requests:
            raise ServerBusy(
                f"{self._numbers[caller]} requests of this client are not answered yet.",
                hint="Wait for some of the answers before asking for more, or raise HUB_MAX_CLIENT_REQUESTS.",
            )
        if held and held + size > limits.max_client_bytes:
            raise BodiesLimit(
                f"Requests of this client with {held} bytes are not answered yet.",
                hint="Wait for some of the answers before asking for more, or raise HUB_MAX_CLIENT_BYTES.",
            )
        free = limits.max_requests_bytes - self.bytes
        largest = max(held, self._of_key[caller.key] if caller.key else 0)
        if self.bytes and size + largest > free:  # as `shares.may_take`, in bytes
            raise BodiesLimit(
                f"Requests of all clients with {self.bytes} bytes are not answered yet, {held} of this client.",
                hint="Try again in some seconds, or raise HUB_MAX_REQUESTS_BYTES.",
            )

    def _add(self, caller: Caller, size: int, number: int) -> None:
        self.bytes += size
        self._of_client[caller] += size
        self._of_key[caller.key] += size
        self._numbers[caller] += number
        if not self._numbers[caller]:
            del self._numbers[caller], self._of_client[caller]
            if not self._of_key[caller.key]:
                del self._of_key[caller.key]
