"""A limit does what `asyncio.timeout` does: it ends what takes too long, and lets every other cancellation pass."""

from __future__ import annotations

import asyncio

import pytest

from bridge.deadlines import Deadlines
from sidecar.concurrency.timeout import SharedTimeout


@pytest.fixture
async def deadlines() -> Deadlines[SharedTimeout]:
    """Whose timer the limits of a test share."""
    return Deadlines(SharedTimeout.expire)


async def test_what_takes_too_long_is_a_timeout_and_the_task_goes_on(deadlines: Deadlines[SharedTimeout]) -> None:
    """Nothing of the cancellation is left in the task."""
    with pytest.raises(TimeoutError), SharedTimeout(deadlines, 0.01):
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0
    await asyncio.sleep(0)


async def test_time_that_is_up_already_is_a_timeout_at_the_first_wait(deadlines: Deadlines[SharedTimeout]) -> None:
    """As when a request had to wait for its place for as long as it may take."""
    with pytest.raises(TimeoutError), SharedTimeout(deadlines, 0):
        await asyncio.Event().wait()


async def test_result_and_error_in_time_pass(deadlines: Deadlines[SharedTimeout]) -> None:
    """And the task is not cancelled afterwards, when the time is up."""
    with SharedTimeout(deadlines, 1):
        await asyncio.sleep(0)
    with pytest.raises(ValueError, match="own"), SharedTimeout(deadlines, 1):
        raise ValueError("own")
    await asyncio.sleep(1.05)  # longer than the limits


async def test_cancelled_by_somebody_else_is_cancelled(deadlines: Deadlines[SharedTimeout]) -> None:
    """However much time there is, or none at all."""
    for seconds in (60.0, None):
        entered = asyncio.Event()

        async def work(seconds: float | None, entered: asyncio.Event) -> None:
            with SharedTimeout(deadlines, seconds):
                entered.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work(seconds, entered))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_cancelled_while_late_is_cancelled(deadlines: Deadlines[SharedTimeout]) -> None:
    """Who cancels the task meanwhile must not be told of a timeout instead."""

    async def work() -> None:
        with SharedTimeout(deadlines, 60) as _:
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    [(_, _, limit)] = deadlines._heap
    limit.expire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_each_of_many_has_its_own_time(deadlines: Deadlines[SharedTimeout]) -> None:
    """The longest is begun first, so that the timer has to be set earlier again and again."""
    ended: list[int] = []

    async def work(number: int) -> None:
        with pytest.raises(TimeoutError), SharedTimeout(deadlines, number / 100):
            await asyncio.Event().wait()
        ended.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in (5, 4, 3, 2, 1):
            tasks.create_task(work(number))
    assert ended == [1, 2, 3, 4, 5]
