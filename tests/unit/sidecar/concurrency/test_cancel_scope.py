"""Work that is cancelled in a scope, and the work after it."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.concurrency.cancel_scope import CancelScope
from tests.support.fake_server import settle


async def wait_in(scope: CancelScope, seen: list[str]) -> None:
    """Wait until cancelled; then go on."""
    with scope:
        seen.append("in")
        await asyncio.Event().wait()
        seen.append("never")
    seen.append("behind")
    await settle()
    seen.append("end")


async def test_work_ends_and_its_task_goes_on() -> None:
    """`cancel` ends the work in the scope only; a second call has no effect."""
    scope, seen = CancelScope(), list[str]()
    task = asyncio.create_task(wait_in(scope, seen))
    await settle()
    scope.cancel()
    scope.cancel()
    await task
    assert (seen, scope.cancel_called, task.cancelling()) == (["in", "behind", "end"], True, 0)


async def test_cut_before_it_begins() -> None:
    """Work that is cancelled before it begins ends at its first await."""
    scope, seen = CancelScope(), list[str]()
    scope.cancel()
    await wait_in(scope, seen)
    assert seen == ["in", "behind", "end"]


async def test_cut_from_within() -> None:
    """Work may cancel itself: it ends at its next await; if there is none, nothing else is cancelled."""
    scope, seen = CancelScope(), list[str]()
    with scope:
        scope.cancel()
        seen.append("on")
        await asyncio.Event().wait()
    again = CancelScope()
    with again:
        again.cancel()
        seen.append("done")
    await settle()
    assert (seen, again.cancel_called) == (["on", "done"], True)


async def test_who_cancels_the_task_is_heard() -> None:
    """A scope suppresses no cancellation from elsewhere, not even at the same time."""
    scope, seen = CancelScope(), list[str]()
    task = asyncio.create_task(wait_in(scope, seen))
    await settle()
    scope.cancel()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    with pytest.raises(ValueError, match="own"), CancelScope():
        raise ValueError("its own")


async def test_work_that_does_not_let_itself_be_cut() -> None:
    """Work that catches the cancellation and ends by itself leaves its task uncancelled."""
    scope = CancelScope()

    async def stubborn() -> str:
        with scope:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                result = "its own way"
        await settle()
        return result

    task = asyncio.create_task(stubborn())
    await settle()
    scope.cancel()
    assert (await task, task.cancelling()) == ("its own way", 0)
