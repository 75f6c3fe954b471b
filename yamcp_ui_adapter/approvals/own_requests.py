"""Requests of the adapter to itself, which take the same way as those of others."""

from __future__ import annotations

from typing import TypeVar

from bridge.models import Model, Request
from bridge.server import Handlers

A = TypeVar("A", bound=Model)


class OwnRequests:
    """Calls the handler of a request. `handlers` may be filled later."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    async def __call__(self, body: Request[A]) -> A:
        """Return the answer. Raises as the handler."""
        answer: A = await self._handlers[type(body)](body)  # type: ignore[assignment]  # each kind has its answer
        return answer
