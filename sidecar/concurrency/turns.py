"""A fair queue of waiting requests: round-robin over access keys, and over the clients of each key."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from sidecar.concurrency.shares import Caller, may_take

MAX_WAITING = 16_384
"""Requests that may wait for one server; a single client may have half of them waiting (shares.may_take)."""

Waiter = asyncio.Future[None]
"""Resolved when it is the turn of a waiting request."""
Waiters = OrderedDict[Waiter, None]
"""The waiting requests of one client, oldest first; each can be removed in constant time."""


class QueueFull(Exception):
    """The client has the largest allowed number of waiting requests; the argument is that number."""


class WaitQueue:
    """The waiting requests. Keys, and the clients of each key, are in the order in which they are served next."""

    __slots__ = ("_keys", "count")

    def __init__(self) -> None:
        self._keys: OrderedDict[str, OrderedDict[str, Waiters]] = OrderedDict()
        self.count = 0
        """Number of waiting requests."""

    def add(self, caller: Caller) -> Waiter:
        """Enqueue a request; the returned future is resolved when it is its turn.

        Raises:
            QueueFull: too many requests of this client are waiting already.
        """
        clients = self._keys.get(caller.key) or OrderedDict[str, Waiters]()
        waiting = clients.get(caller.client) or Waiters()
        if not may_take(len(waiting), self.count, MAX_WAITING, contested=True):
            raise QueueFull(len(waiting))
        waiter = asyncio.get_running_loop().create_future()
        waiting[waiter] = None
        clients[caller.client], self._keys[caller.key] = waiting, clients
        self.count += 1
        return waiter

    def remove(self, caller: Caller, waiter: Waiter) -> None:
        """Remove a request from the queue; no effect if its turn has come."""
        clients = self._keys.get(caller.key)
        waiting = clients.get(caller.client) if clients else None
        if clients is None or waiting is None or waiter not in waiting:
            return
        del waiting[waiter]
        self.count -= 1
        if not waiting:
            del clients[caller.client]
        if not clients:
            del self._keys[caller.key]

    def wake_next(self, allowed: Callable[[str], bool] | None = None) -> str | None:
        """Resolve the next waiting request among the `allowed` keys; returns its key, or None if none is waiting."""
        while (key := self._first(allowed)) is not None:
            waiter = self._pop(key)
            if not waiter.done():  # else it was cancelled a moment ago, and its task has not run yet
                waiter.set_result(None)
                return key
        return None

    def _first(self, allowed: Callable[[str], bool] | None) -> str | None:
        return next((key for key in self._keys if allowed is None or allowed(key)), None)

    def _pop(self, key: str) -> Waiter:
        """Remove and return the next request of a key; the key and the client go to the end of the order."""
        clients = self._keys[key]
        client, waiting = clients.popitem(last=False)
        waiter, _ = waiting.popitem(last=False)
        self.count -= 1
        if waiting:
            clients[client] = waiting
        if clients:
            self._keys.move_to_end(key)
        else:
            del self._keys[key]
        return waiter
