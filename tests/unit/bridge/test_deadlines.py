"""Deadlines: who is late, who is not, and that nothing of what is done is kept."""

from __future__ import annotations

import asyncio
import gc
import weakref

from bridge.deadlines import SLACK, Deadlines, set_within


class Item:
    """Something that may be late."""


async def test_what_is_late_is_told_in_order_of_time_and_what_was_dropped_is_not() -> None:
    late: list[str] = []
    over = asyncio.Event()

    def tell(item: str) -> None:
        late.append(item)
        if item == "last":
            over.set()

    deadlines = Deadlines(tell)
    deadlines.add("last", 0.03)
    deadlines.add("first", 0.01)
    dropped = deadlines.add("dropped", 0.02)
    deadlines.drop(dropped)
    deadlines.drop(dropped)
    deadlines.add("second", 0.01)
    await asyncio.wait_for(over.wait(), 100)
    assert late == ["first", "second", "last"]


async def test_what_is_dropped_is_not_kept_until_its_time() -> None:
    deadlines: Deadlines[Item] = Deadlines(lambda item: None)
    item = Item()
    gone = weakref.ref(item)
    deadline = deadlines.add(item, 3600)
    deadlines.drop(deadline)
    del item
    gc.collect()
    assert gone() is None
    for _ in range(50 * SLACK):
        deadlines.drop(deadlines.add(Item(), 3600))
    assert len(deadlines._heap) <= 3 * SLACK
    deadlines.close()


async def test_one_that_is_late_may_be_dropped_afterwards_and_a_later_one_still_rings() -> None:
    late: asyncio.Queue[str] = asyncio.Queue()
    deadlines = Deadlines(late.put_nowait)
    first = deadlines.add("first", 0)
    assert await asyncio.wait_for(late.get(), 100) == "first"
    deadlines.drop(first)
    deadlines.add("second", 0.01)
    assert await asyncio.wait_for(late.get(), 100) == "second"


async def test_nothing_is_late_once_closed() -> None:
    late: list[str] = []
    deadlines = Deadlines(late.append)
    deadlines.add("never", 0.01)
    deadlines.close()
    await asyncio.sleep(0.03)
    assert late == []


async def test_an_error_concerns_one_item_alone() -> None:
    """An item whose callback raises keeps no other from being told."""
    late: asyncio.Queue[str] = asyncio.Queue()
    errors: list[Exception] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context["exception"]))

    def tell(item: str) -> None:
        if item == "bad":
            raise ValueError(item)
        late.put_nowait(item)

    deadlines = Deadlines(tell)
    for item in ("bad", "good"):
        deadlines.add(item, 0.01)
    assert await asyncio.wait_for(late.get(), 100) == "good"
    assert [str(error) for error in errors] == ["bad"]


async def test_the_wait_for_an_event_has_an_end() -> None:
    """It says whether the event is set, and leaves that to who asks."""
    event = asyncio.Event()
    assert not await set_within(event, 0)
    asyncio.get_running_loop().call_soon(event.set)
    assert await set_within(event, 60)
    assert await set_within(event, 0)
