"""Reads a server's lists (tools, prompts, resources, resource templates) and keeps them current (ADR 22).

Each list has a task of its own that reads all pages, reads them again when the server announces a change, and retries
while the list cannot be read. A list that fails is reported as a trouble and does not affect the others.
"""

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
from sidecar.protocol.catalog import LIST_METHODS, LISTS_CHANGED_BY, RESULT_KEYS, Greeting, Item, ListKind
from sidecar.protocol.channel import Frame
from sidecar.protocol.jsonrpc import as_dict, describe_error
from sidecar.supervision.expected_tools import ExpectedTools
from sidecar.upstream.changes import ChangeDebouncer

log = logging.getLogger(__name__)

MAX_PAGES = 1000
OTHER_LISTS_SECONDS = 5.0
"""Seconds that a server has for its other lists once its tools are read; then it is used without them."""
UNDECLARED_TOOLS_SECONDS = 0.5
"""Seconds to wait for the tools of a server that did not declare tools, before it is used."""
UNDECLARED_TIMEOUT = 10.0
"""Seconds after which a list that the server did not declare is taken to be empty."""
FIRST_RETRY, LONGEST_RETRY = 1.0, 60.0
"""Seconds before a list that could not be read is requested again: doubled with each failure, with random jitter."""
MAX_ITEMS_REPORTED = 20
"""The items left out of one list that are reported by name; further ones are counted."""

SendRequest = Callable[[str, dict[str, Any]], Awaitable[Frame]]
"""Sends a request (method, params) to the server and returns the response frame. Raises SidecarError."""
StartTask = Callable[[Coroutine[Any, Any, None]], object]
"""Starts a background task that lasts no longer than the connection."""
Items = tuple[Item, ...]
Troubles = tuple[ErrorBody, ...]


@dataclass(slots=True)
class UndeclaredLists:
    """Whether a server is asked for lists that it does not declare. Set to False once that has ended a connection."""

    asked: bool = True


@dataclass(frozen=True, slots=True)
class ListReading:
    """The result of reading a list: `items` is None if it could not be read; `troubles` tell what is wrong."""

    items: Items | None
    troubles: Troubles = ()


class ListReader:
    """Keeps the lists of a connection current.

    `on_list_read` is called with each list that differs from the reading before. After `open` has returned,
    `on_change` is called then too, and when the troubles differ. `timeout` is for one reading, in seconds. `expected`
    outlives the connection.
    """

    def __init__(
        self,
        ask: SendRequest,
        start: StartTask,
        timeout: float,
        on_list_read: Callable[[ListKind, Items], None],
        on_change: Callable[[], None],
        expected: ExpectedTools | None = None,
    ) -> None:
        self._send_request = ask
        self._start = start
        self._timeout = timeout
        self._on_list_read = on_list_read
        self._on_change = on_change
        self._expected = ExpectedTools() if expected is None else expected
        self._announced = self._accepted = 0
        """The announcements of a change of the tools, and how many of them are taken into account."""
        self.answered_at = 0.0
        """When a reading was last answered (`loop.time`)."""
        self._took: dict[ListKind, float] = {}
        """How many seconds the last reading of each list took."""
        self._repaired: dict[ListKind, str] = {}
        """The names of the items that were repaired in the last reading."""
        self._greeting = Greeting()
        self._current: dict[ListKind, Items] = {}
        self._changes: dict[ListKind, ChangeDebouncer] = {kind: ChangeDebouncer() for kind in LIST_METHODS}
        self._troubles: dict[ListKind, Troubles] = {}
        self._unanswered: set[ListKind] = set()
        self._unanswered_undeclared: set[ListKind] = set()
        self._reading_applied = asyncio.Event()
        self._lost: ConnectionLost | None = None
        self._opened = False

    @property
    def troubles(self) -> Troubles:
        """The current faults of the lists."""
        return tuple(trouble for kind in LIST_METHODS for trouble in self._troubles.get(kind, ()))

    @property
    def awaits_undeclared(self) -> bool:
        """Whether a request for a list that the server did not declare is still unanswered."""
        return bool(self._unanswered_undeclared)

    @property
    def longest_reading(self) -> float:
        """How many seconds the slowest declared list took when it was last read."""
        return max((took for kind, took in self._took.items() if self._greeting.offers(kind)), default=0.0)

    def changed(self, kinds: Iterable[ListKind]) -> None:
        """The server announced that these lists changed."""
        for kind in kinds:
            self._announced += kind == "tools"
            self._changes[kind].announced()

    def request(self) -> None:
        """Have all declared lists read again now, though the server announced no change."""
        for kind in LIST_METHODS:
            if self._greeting.offers(kind):
                self._changes[kind].request()

    async def open(self, greeting: Greeting, within: float, undeclared: bool) -> None:
        """Request all lists at once, and return as soon as the server can be used.

        That is when each declared list has been read or has failed, at the latest after `within` seconds or
        `OTHER_LISTS_SECONDS` after the tools were read. With `undeclared`, lists that the server did not declare are
        requested too.

        Raises:
            ConnectionLost: the connection ended.
        """
        self._greeting = greeting
        self._unanswered = {kind for kind in LIST_METHODS if greeting.offers(kind)}
        self._unanswered_undeclared = set(LIST_METHODS) - self._unanswered if undeclared else set()
        for kinds in (self._unanswered, self._unanswered_undeclared):
            for kind in LIST_METHODS:
                if kind in kinds:
                    self._start(self._keep_current(kind, within))
        with suppress(TimeoutError):
            await self._wait_for_declared(within)
        if "tools" in self._unanswered_undeclared:
            with suppress(TimeoutError):
                async with asyncio.timeout(UNDECLARED_TOOLS_SECONDS):
                    while "tools" in self._unanswered_undeclared:
                        await self._next_reading()
        for kind in self._unanswered:
            self._troubles.setdefault(kind, (_late(kind, "It has not been answered yet, and is waited for."),))
        self._opened = True

    async def _wait_for_declared(self, within: float) -> None:
        """Wait until each declared list has been read or has failed. Raises TimeoutError and ConnectionLost."""
        clock = asyncio.get_running_loop().time
        async with asyncio.timeout(within) as limit:
            hurried = False
            while self._unanswered:
                await self._next_reading()
                if not hurried and "tools" not in self._unanswered:
                    hurried = True
                    limit.reschedule(min(limit.when() or 0.0, clock() + OTHER_LISTS_SECONDS))

    async def _next_reading(self) -> None:
        await self._reading_applied.wait()
        self._reading_applied.clear()
        if self._lost:
            raise self._lost

    async def _keep_current(self, kind: ListKind, within: float) -> None:
        """Read a list now, again after each announced change, and again after a delay if it could not be read."""
        failures = 0
        changes = self._changes[kind]
        while True:
            announced = self._announced
            try:
                reading = await self._read(kind, within)
            except ConnectionLost as error:
                if not self._opened:
                    self._lost = error
                    self._reading_applied.set()
                    return
                failures += 1  # one request of several is lost, or this task is about to be cancelled
                self._unanswered_undeclared.discard(kind)
            else:
                if kind == "tools":
                    reading = self._compared(reading, announced)
                self._space_readings(kind, differs=self._apply(kind, reading))
                failures = failures + 1 if reading.items is None and self._greeting.offers(kind) else 0
            within = self._timeout
            with suppress(TimeoutError):
                async with asyncio.timeout(_delay(failures) if failures else None):
                    await changes.wait_until_due()

    def _compared(self, reading: ListReading, announced: int) -> ListReading:
        """A reading of the tools, with a trouble if some vanished; `announced` changes preceded it."""
        if reading.items is None:
            return reading
        if announced > self._accepted:
            self._accepted = announced
            self._expected.accept_next()
        trouble = self._expected.trouble(reading.items)
        return ListReading(reading.items, (*reading.troubles, trouble)) if trouble else reading

    def _space_readings(self, kind: ListKind, differs: bool) -> None:
        """Tell the debouncers the result of a reading. A notification concerns a group of lists, so a difference in
        one list counts for all lists of the group."""
        together = next(kinds for kinds in LISTS_CHANGED_BY.values() if kind in kinds)
        for each in together if differs else (kind,):
            self._changes[each].was_read(differs=differs)

    def _apply(self, kind: ListKind, reading: ListReading) -> bool:
        """Take over a reading and report it. Returns whether the list or its troubles differ from before."""
        if reading.items is None and not self._greeting.offers(kind):
            reading = ListReading(self._current.get(kind))  # no trouble: the server did not declare this list
        before = self._current.get(kind, ()), self._troubles.get(kind, ())
        if reading.items is not None:
            self._current[kind] = reading.items
        self._troubles[kind] = reading.troubles
        after = self._current.get(kind, ()), reading.troubles
        if after[0] != before[0]:
            self._on_list_read(kind, after[0])
        self._unanswered.discard(kind)
        self._unanswered_undeclared.discard(kind)
        self._reading_applied.set()
        if self._opened and after != before:
            self._on_change()
        return after != before

    async def _read(self, kind: ListKind, within: float) -> ListReading:
        """Read all pages of a list once, within so many seconds. Raises ConnectionLost."""
        within = within if self._greeting.offers(kind) else min(within, UNDECLARED_TIMEOUT)
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(within):
                listed = await read_pages(self._send_request, kind, self._greeting)
        except ListFailed as error:
            self.answered_at = clock()
            return ListReading(None, (error.body(),))
        except (TimeoutError, CallTimeout):
            return ListReading(None, (_late(kind, f"It was not answered within {round(within, 2):g} s."),))
        except ConnectionLost:
            raise
        except SidecarError as error:  # the answer is too large or invalid, which concerns this list alone
            self.answered_at = clock()
            return ListReading(None, (_failed(kind, error.message),))
        finally:
            self._took[kind] = clock() - began
        self.answered_at = clock()
        found = items.repair(kind, listed, self._greeting.era)
        names = ", ".join(found.changed[:MAX_ITEMS_REPORTED])
        if names and names != self._repaired.get(kind):
            log.info("items of a list were repaired", extra={"list": LIST_METHODS[kind], "items": names})
        self._repaired[kind] = names
        return ListReading(found.items, _left_out(kind, found.left_out))


async def read_pages(ask: SendRequest, kind: ListKind, greeting: Greeting) -> list[Any]:
    """The items of all pages of a list as the server sends them; none if the server does not know the method.

    An empty `nextCursor` ends the list of a legacy server; in the modern era only a missing one does (MCP 2026-07-28,
    Pagination). A repeated cursor ends it in any case.

    Raises:
        ListFailed: the answer is an error or has no list, or there are more than `MAX_PAGES` pages.
        SidecarError: the request failed.
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


def _failed(kind: ListKind, why: str) -> ErrorBody:
    return ListFailed(
        f"`{LIST_METHODS[kind]}` was answered with no list: {why}", data={"list": LIST_METHODS[kind]}
    ).body()


def _late(kind: ListKind, why: str) -> ErrorBody:
    return ListLate(f"`{LIST_METHODS[kind]}`: {why}", data={"list": LIST_METHODS[kind]}).body()


def _left_out(kind: ListKind, left_out: tuple[items.LeftOut, ...]) -> Troubles:
    method = LIST_METHODS[kind]
    reports = [
        ItemLeftOut(
            f"`{method}`: the item {each.name!r} {each.why}, so it is left out{each.where}.",
            data={"list": method, "item": each.name},
        )
        for each in left_out[:MAX_ITEMS_REPORTED]
    ]
    if more := len(left_out) - len(reports):
        reports.append(ItemLeftOut(f"`{method}`: {more} more items are left out.", data={"list": method}))
    return tuple(error.body() for error in reports)
