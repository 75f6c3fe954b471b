"""Asks the recorder: single questions, lists page by page, and what comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeVar

from bridge.client import BridgeClient
from bridge.errors import PeerUnavailable, RemoteError
from bridge.models import Model, Ping, Request
from bridge.models.records import MAX_RECORDS
from hubctl.context import Context
from hubctl.errors import HistoryOff, HistoryUnavailable
from hubctl.run.in_force import settings_in_force

CONNECT_TIMEOUT = 2.0
"""Seconds until a recorder that does not answer counts as away."""
ANSWER_TIMEOUT = 15.0
"""Seconds that an answer may take."""
WAIT = 20.0
"""Seconds that the recorder may wait for further records before it answers."""
RETRY_SECONDS = 1.0
"""Pause before the recorder is asked again for what comes, when it could not answer."""

A = TypeVar("A", bound=Model)


class Page(Protocol):
    """An answer with one page of records."""

    next: int | None
    last: int


@contextlib.asynccontextmanager
async def recorder(context: Context) -> AsyncIterator[BridgeClient]:
    """Connect to the recorder.

    Raises:
        HistoryOff: the hub keeps no history.
        HistoryUnavailable: the recorder does not answer.
    """
    if not settings_in_force(context.settings).history:
        raise HistoryOff("This hub keeps no history.")
    try:
        async with context.records() as client:
            await client.request(Ping(), timeout=CONNECT_TIMEOUT)
            yield client
    except PeerUnavailable:
        raise HistoryUnavailable("The recorder, which keeps the history, does not answer.") from None


async def ask(context: Context, request: Request[A], timeout: float = ANSWER_TIMEOUT) -> A:
    """Ask the recorder one question. Raises as `recorder`, and RemoteError: the recorder's own errors."""
    async with recorder(context) as client:
        return await client.request(request, timeout=timeout)


async def pages(client: BridgeClient, request: Any, most: int | None) -> AsyncIterator[Any]:
    """Yield answers with the records that the request asks for, newest first, together at most `most` records."""
    left, before = most, None
    while left is None or left > 0:
        limit = MAX_RECORDS if left is None else min(left, MAX_RECORDS)
        page = await client.request(
            request.model_copy(update={"limit": limit, "before": before}), timeout=ANSWER_TIMEOUT
        )
        yield page
        left = left if left is None else left - len(records_of(page))
        before = page.next
        if before is None:
            return


async def coming(client: BridgeClient, request: Any, after: int) -> AsyncIterator[Any]:
    """Yield answers with records as they are stored, until cancelled; restarts of the recorder do not end it."""
    while True:
        question = request.model_copy(update={"after": after, "before": None, "limit": MAX_RECORDS, "wait": WAIT})
        try:
            page = await client.request(question, timeout=WAIT + ANSWER_TIMEOUT)
        except (PeerUnavailable, RemoteError):
            await asyncio.sleep(RETRY_SECONDS)
            continue
        yield page
        after = page.last if page.next is None else page.next


def records_of(page: Any) -> tuple[Any, ...]:
    """Return the records of a page, whatever kind they are of."""
    return next(value for value in dict(page).values() if isinstance(value, tuple))
