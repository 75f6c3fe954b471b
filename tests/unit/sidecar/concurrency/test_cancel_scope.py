"""Work that is cut short, and what goes on behind it."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.concurrency.cancel_scope import Cut
from tests.support.fake_server import settle


async def wait_in(cut: Cut, seen: list[str]) -> None:
    """Wait for ever, until cut; then go on."""
    with cut:
        seen.append("in")
        await asyncio.Event().wait()
        seen.append("never")
    seen.append("behind")
    await settle()
    seen.append("end")


async def test_work_ends_and_its_task_goes_on() -> None:
    """Who cuts ends the work only; a second cut does nothing."""
    cut, seen = Cut(), list[str]()
    task = asyncio.create_task(wait_in(cut, seen))
    await settle()
    cut.cancel()
    cut.cancel()
    await task
    assert (seen, cut.made, task.cancelling()) == (["in", "behind", "end"], True, 0)


async def test_cut_before_it_begins() -> None:
    """Work that is cut before it begins ends where it waits first."""
    cut, seen = Cut(), list[str]()
    cut.cancel()
    await wait_in(cut, seen)
    assert seen == ["in", "behind", "end"]


async def test_cut_from_within() -> None:
    """Work may cut itself: it ends where it waits next, and if it does not wait any more, nothing else ends."""
    cut, seen = Cut(), list[str]()
    with cut:
        cut.cancel()
        seen.append("on")
        await asyncio.Event().wait()
    again = Cut()
    with again:
        again.cancel()
        seen.append("done")
    await settle()
    assert (seen, again.made) == (["on", "done"], True)


async def test_who_cancels_the_task_is_heard() -> None:
    """A cut swallows nothing that comes from elsewhere, not even at the same time."""
    cut, seen = Cut(), list[str]()
    task = asyncio.create_task(wait_in(cut, seen))
    await settle()
    cut.cancel()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    with pytest.raises(ValueError, match="own"), Cut():
        raise ValueError("its own")


async def test_work_that_does_not_let_itself_be_cut() -> None:
    """Work that catches the cut and ends by itself leaves its task uncancelled."""
    cut = Cut()

    async def stubborn() -> str:
        with cut:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                result = "its own way"
        await settle()
        return result

    task = asyncio.create_task(stubborn())
    await settle()
    cut.cancel()
    assert (await task, task.cancelling()) == ("its own way", 0)
