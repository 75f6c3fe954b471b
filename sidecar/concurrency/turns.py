"""Who waits for a place: served in turn, first among keys, then among the clients of a key (round-robin)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from sidecar.concurrency.shares import Caller, may_take

MOST_WAITING = 16_384
"""Requests that may wait at one server; a single client may have half of them waiting (shares.may_take)."""

Turn = asyncio.Future[None]
Waiting = OrderedDict[Turn, None]
"""The requests of one client in the order of coming; each can be removed in constant time."""


class QueueFull(Exception):
    """As many requests of the client wait as may; the argument is their number."""


class Turns:
    """The requests that wait. Keys, and within a key clients, are in the order in which it is their turn."""

    __slots__ = ("_keys", "count")

    def __init__(self) -> None:
        self._keys: OrderedDict[str, OrderedDict[str, Waiting]] = OrderedDict()
        self.count = 0
        """How many requests wait."""

    def add(self, caller: Caller) -> Turn:
        """Have one more request wait; the future is resolved when it is its turn. Raises QueueFull."""
        clients = self._keys.get(caller.key) or OrderedDict[str, Waiting]()
        waiting = clients.get(caller.client) or Waiting()
        if not may_take(len(waiting), self.count, MOST_WAITING, contested=True):
            raise QueueFull(len(waiting))
        turn = asyncio.get_running_loop().create_future()
        waiting[turn] = None
        clients[caller.client], self._keys[caller.key] = waiting, clients
        self.count += 1
        return turn

    def remove(self, caller: Caller, turn: Turn) -> None:
        """The request waits no more; nothing happens if it had its turn."""
        clients = self._keys.get(caller.key)
        waiting = clients.get(caller.client) if clients else None
        if clients is None or waiting is None or turn not in waiting:
            return
        del waiting[turn]
        self.count -= 1
        if not waiting:
            del clients[caller.client]
        if not clients:
            del self._keys[caller.key]

    def next(self, allowed: Callable[[str], bool] | None = None) -> str | None:
        """Tell the request whose turn it is, of those keys that are `allowed`; its key, or none where nobody waits."""
        while (key := self._first(allowed)) is not None:
            turn = self._pop(key)
            if not turn.done():  # else it was cancelled a moment ago, and its task has not run yet
                turn.set_result(None)
                return key
        return None

    def _first(self, allowed: Callable[[str], bool] | None) -> str | None:
        return next((key for key in self._keys if allowed is None or allowed(key)), None)

    def _pop(self, key: str) -> Turn:
        """The next request of a key; the key, and the client, go to the end."""
        clients = self._keys[key]
        client, waiting = clients.popitem(last=False)
        turn, _ = waiting.popitem(last=False)
        self.count -= 1
        if waiting:
            clients[client] = waiting
        if clients:
            self._keys.move_to_end(key)
        else:
            del self._keys[key]
        return turn
