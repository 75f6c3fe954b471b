"""The lists of one connection: each is read by itself, page by page, read again when it changes, and asked for again
while it cannot be read. What goes wrong with one list is told, and leaves the others as they are (docs/adr/0022)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bridge.errors import ErrorBody
from sidecar.errors import (
    METHOD_NOT_FOUND,
    CallTimeout,
    ConnectionLost,
    ItemLeftOut,
    ListFailed,
    ListLate,
    SidecarError,
)
from sidecar.features import items
from sidecar.protocol.catalog import LIST_METHODS, LISTS_CHANGED_BY, RESULT_KEYS, Greeting, Kind
from sidecar.protocol.channel import Frame
from sidecar.protocol.jsonrpc import as_dict, describe_error
from sidecar.upstream.changes import Changes

log = logging.getLogger(__name__)

MAX_PAGES = 1000
GRACE = 5.0
"""Seconds that a server which has listed its tools is given for its other lists, before it is used without them."""
UNDECLARED_WAIT = 0.5
"""Seconds that a server is given to list tools without having declared that it has any, before it is used."""
UNDECLARED_TIMEOUT = 10.0
"""Seconds after which a list that was not declared is taken for none."""
FIRST_RETRY, LONGEST_RETRY = 1.0, 60.0
"""Seconds until a list that could not be read is asked for again: doubled with each failure, and somewhat at random."""
MOST_TOLD = 20
"""Items left out that are told of one list; the others are counted."""

Ask = Callable[[str, dict[str, Any]], Awaitable[Frame]]
"""Asks the server: method and params to the response frame. Raises SidecarError."""
Start = Callable[[Coroutine[Any, Any, None]], object]
"""Does work beside the rest for as long as the connection lasts."""
Items = tuple[items.Item, ...]
Troubles = tuple[ErrorBody, ...]


@dataclass(slots=True)
class Undeclared:
    """Whether a server is asked for lists that it does not declare; not again, once that has ended a connection."""

    asked: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of asking for a list: `items` is None where it could not be read, and `troubles` say what is wrong."""

    items: Items | None
    troubles: Troubles = ()


class Lists:
    """Keeps the lists of a connection current.

    `show` is called with each list that was read and differs; `changed` after that, once the lists are open.
    """

    def __init__(
        self, ask: Ask, start: Start, timeout: float, show: Callable[[Kind, Items], None], changed: Callable[[], None]
    ) -> None:
        self._ask = ask
        self._start = start
        self._timeout = timeout
        self._show = show
        self._changed = changed
        self._greeting = Greeting()
        self._shown: dict[Kind, Items] = {}
        self._changes: dict[Kind, Changes] = {kind: Changes() for kind in LIST_METHODS}
        self._troubles: dict[Kind, Troubles] = {}
        self._waiting: set[Kind] = set()
        self._undeclared: set[Kind] = set()
        self._news = asyncio.Event()
        self._lost: ConnectionLost | None = None
        self._opened = False

    @property
    def troubles(self) -> Troubles:
        """What is wrong with the lists now."""
        return tuple(trouble for kind in LIST_METHODS for trouble in self._troubles.get(kind, ()))

    @property
    def asks_undeclared(self) -> bool:
        """Whether a list that the server did not declare has been asked for and not been answered yet."""
        return bool(self._undeclared)

    def changed(self, kinds: Iterable[Kind]) -> None:
        """The server announced that these lists changed."""
        for kind in kinds:
            self._changes[kind].add()

    async def open(self, greeting: Greeting, within: float, undeclared: bool) -> None:
        """Ask for all lists at once, and return as soon as the server can be used.

        That is when each list that it declared was answered, or has failed, or is late: after `within` seconds, or
        `GRACE` after the tools were listed. With `undeclared`, lists that it did not declare are asked for too.

        Raises:
            ConnectionLost: the connection ended meanwhile.
        """
        self._greeting = greeting
        self._waiting = {kind for kind in LIST_METHODS if greeting.offers(kind)}
        self._undeclared = set(LIST_METHODS) - self._waiting if undeclared else set()
        for kinds in (self._waiting, self._undeclared):
            for kind in LIST_METHODS:
                if kind in kinds:
                    self._start(self._keep(kind, within))
        with suppress(TimeoutError):
            await self._answered(within)
        if "tools" in self._undeclared:
            with suppress(TimeoutError):
                async with asyncio.timeout(UNDECLARED_WAIT):
                    while "tools" in self._undeclared:
                        await self._told()
        for kind in self._waiting:
            self._troubles.setdefault(kind, (_late(kind, "It has not been answered yet, and is waited for."),))
        self._opened = True

    async def _answered(self, within: float) -> None:
        """Wait for the lists that were declared. Raises TimeoutError and ConnectionLost."""
        clock = asyncio.get_running_loop().time
        async with asyncio.timeout(within) as limit:
            hurried = False
            while self._waiting:
                await self._told()
                if not hurried and "tools" not in self._waiting:
                    hurried = True
                    limit.reschedule(min(limit.when() or 0.0, clock() + GRACE))

    async def _told(self) -> None:
        await self._news.wait()
        self._news.clear()
        if self._lost:
            raise self._lost

    async def _keep(self, kind: Kind, within: float) -> None:
        """Read a list now, and again when it is said to have changed, or could not be read."""
        failures = 0
        changes = self._changes[kind]
        while True:
            try:
                reading = await self._read(kind, within)
            except ConnectionLost as error:
                if not self._opened:
                    self._lost = error
                    self._news.set()
                    return
                failures += 1  # one request of several is lost, or this task is about to be cancelled
                self._undeclared.discard(kind)
            else:
                self._space(kind, differs=self._take(kind, reading))
                failures = failures + 1 if reading.items is None and self._greeting.offers(kind) else 0
            within = self._timeout
            with suppress(TimeoutError):
                async with asyncio.timeout(_delay(failures) if failures else None):
                    await changes.take()

    def _space(self, kind: Kind, differs: bool) -> None:
        """A notice is about several lists: it was a true one for all of them where one of them differs."""
        together = next(kinds for kinds in LISTS_CHANGED_BY.values() if kind in kinds)
        for each in together if differs else (kind,):
            self._changes[each].read(differs=differs)

    def _take(self, kind: Kind, reading: Reading) -> bool:
        """Show what was read; whether it differs from before."""
        if reading.items is None and not self._greeting.offers(kind):
            reading = Reading(self._shown.get(kind))  # it never said that it has such a list
        before = self._shown.get(kind, ()), self._troubles.get(kind, ())
        if reading.items is not None:
            self._shown[kind] = reading.items
        self._troubles[kind] = reading.troubles
        after = self._shown.get(kind, ()), reading.troubles
        if after[0] != before[0]:
            self._show(kind, after[0])
        self._waiting.discard(kind)
        self._undeclared.discard(kind)
        self._news.set()
        if self._opened and after != before:
            self._changed()
        return after != before

    async def _read(self, kind: Kind, within: float) -> Reading:
        """One reading, within so many seconds. Raises ConnectionLost."""
        within = within if self._greeting.offers(kind) else min(within, UNDECLARED_TIMEOUT)
        try:
            async with asyncio.timeout(within):
                listed = await read_pages(self._ask, kind, self._greeting)
        except ListFailed as error:
            return Reading(None, (error.body(),))
        except (TimeoutError, CallTimeout):
            return Reading(None, (_late(kind, f"It was not answered within {round(within, 2):g} s."),))
        except ConnectionLost:
            raise
        except SidecarError as error:  # the answer is too large, or is none: this list's trouble alone
            return Reading(None, (_failed(kind, error.message),))
        found = items.repair(kind, listed, self._greeting.era)
        if found.changed:
            names = ", ".join(found.changed[:MOST_TOLD])
            log.info("items of a list were repaired", extra={"list": LIST_METHODS[kind], "items": names})
        return Reading(found.items, _left_out(kind, found.left_out))


async def read_pages(ask: Ask, kind: Kind, greeting: Greeting) -> list[Any]:
    """All pages of a list as the server gives them; nothing where it does not know the method.

    An empty cursor ends a legacy server's list; in the modern era it is a cursor as any other (MCP 2026-07-28,
    Pagination: only a missing `nextCursor` ends a list). A cursor that comes again ends it in any case.

    Raises:
        ListFailed: the answer is an error, or no list; or the list has no end.
        SidecarError: the server could not be asked.
    """
    method, data = LIST_METHODS[kind], {"list": LIST_METHODS[kind]}
    listed: list[Any] = []
    seen: set[str] = set()
    params: dict[str, Any] = {}
    for _ in range(MAX_PAGES):
        frame = await ask(method, params)
        if frame.get("error") is not None:
            if as_dict(frame["error"]).get("code") == METHOD_NOT_FOUND:
                return []
            raise ListFailed(f"`{method}` was answered with {describe_error(frame)}.", data=data)
        page = frame.get("result")
        found = page.get(RESULT_KEYS[kind]) if isinstance(page, dict) else page
        if not isinstance(page, dict) or not isinstance(found, list | None):
            raise ListFailed(
                f"`{method}` was answered with something that has no list `{RESULT_KEYS[kind]}`.", data=data
            )
        listed += found or []
        cursor = page.get("nextCursor")
        if not isinstance(cursor, str) or cursor in seen or (not cursor and greeting.era == "legacy"):
            return listed
        seen.add(cursor)
        params = {"cursor": cursor}
    raise ListFailed(f"`{method}` does not end: {MAX_PAGES} pages were read.", data=data)


def _delay(failures: int) -> float:
    longest: float = min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(failures - 1, 10))
    return longest * random.uniform(0.75, 1.0)  # noqa: S311 - no secret, but many servers' retries kept apart


def _failed(kind: Kind, why: str) -> ErrorBody:
    return ListFailed(
        f"`{LIST_METHODS[kind]}` was answered with no list: {why}", data={"list": LIST_METHODS[kind]}
    ).body()


def _late(kind: Kind, why: str) -> ErrorBody:
    return ListLate(f"`{LIST_METHODS[kind]}`: {why}", data={"list": LIST_METHODS[kind]}).body()


def _left_out(kind: Kind, left_out: tuple[items.LeftOut, ...]) -> Troubles:
    method = LIST_METHODS[kind]
    reports = [
        ItemLeftOut(
            f"`{method}`: the item {each.name!r} {each.why}, so it is left out{each.where}.",
            data={"list": method, "item": each.name},
        )
        for each in left_out[:MOST_TOLD]
    ]
    if more := len(left_out) - len(reports):
        reports.append(ItemLeftOut(f"`{method}`: {more} more items are left out.", data={"list": method}))
    return tuple(error.body() for error in reports)
