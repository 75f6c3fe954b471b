"""How much may be under way at once."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.concurrency.semaphore import KeyedSemaphore, Semaphore
from sidecar.concurrency.shares import Caller
from sidecar.concurrency.turns import MAX_WAITING, QueueFull, WaitQueue
from sidecar.errors import CallTimeout
from tests.support.fake_server import settle
from tests.support.properties import examples

SECURITY = Path(__file__).resolve().parents[4] / "docs/security.md"


async def test_slots() -> None:
    """So many can be had at once, and again when they were given back."""
    semaphore = Semaphore(2)
    assert [semaphore.try_acquire() for _ in range(3)] == [True, True, False]
    semaphore.release()
    assert [semaphore.try_acquire(), semaphore.try_acquire()] == [True, False]


async def test_turns() -> None:
    """Who waits for longest is served first, before anybody who comes later."""
    semaphore, served = Semaphore(1), list[int]()

    async def wait(number: int) -> None:
        await semaphore.acquire()
        served.append(number)

    await wait(0)
    async with asyncio.TaskGroup() as tasks:
        for number in (1, 2, 3):
            tasks.create_task(wait(number))
        await settle()
        for _ in range(3):
            semaphore.release()
            assert not semaphore.try_acquire()
            await settle()
    assert served == [0, 1, 2, 3]
    semaphore.release()
    assert semaphore.try_acquire()


async def test_who_gives_up_leaves_its_turn_to_others() -> None:
    """Also one that was given a slot at the very moment."""
    semaphore = Semaphore(1)
    await semaphore.acquire()
    first, second, third = (asyncio.create_task(semaphore.acquire()) for _ in range(3))
    await settle()
    first.cancel()
    await settle()
    semaphore.release()
    second.cancel()
    await settle()
    assert (first.cancelled(), second.cancelled(), third.done()) == (True, True, True)
    assert not semaphore.try_acquire()
    semaphore.release()
    assert semaphore.try_acquire()


async def test_a_turn_that_was_cancelled_in_between_is_passed_over() -> None:
    """Its task has not run yet when a slot is given back."""
    semaphore = Semaphore(1)
    await semaphore.acquire()
    first, second = (asyncio.create_task(semaphore.acquire()) for _ in range(2))
    await settle()
    first.cancel()
    semaphore.release()
    await settle()
    assert (first.cancelled(), second.done()) == (True, True)


# --- fairness ------------------------------------------------------------------------------------------------------


class Queue:
    """Requests that wait for slots, and in which order they got them."""

    def __init__(self, semaphore: Semaphore, tasks: asyncio.TaskGroup) -> None:
        self.semaphore, self.served = semaphore, list[str]()
        self._tasks = tasks

    async def ask(self, key: str, client: str, count: int = 1) -> list[asyncio.Task[None]]:
        """Have a client ask so often at once."""
        made = [self._tasks.create_task(self._ask(Caller(key, client))) for _ in range(count)]
        await settle()
        return made

    async def _ask(self, caller: Caller) -> None:
        await self.semaphore.acquire(caller)
        self.served.append("".join(caller))

    async def end(self, *keys: str) -> str:
        """Requests of these keys end one after the other; whose turn it was each time."""
        before = len(self.served)
        for key in keys:
            self.semaphore.release(key)
            await settle()
        return " ".join(self.served[before:])


async def test_one_client_with_many_requests_does_not_keep_the_others_waiting() -> None:
    """Clients are served in turn, whatever each has waiting."""
    async with asyncio.TaskGroup() as tasks:
        queue = Queue(Semaphore(2), tasks)
        await queue.ask("", "a", 2 + 5)
        await queue.ask("", "b", 2)
        await queue.ask("", "c")
        assert await queue.end(*[""] * 8) == "a b c a b a a a"


async def test_many_clients_of_a_key_count_as_one_key() -> None:
    """Keys are served in turn, and within a key its clients: more sessions are no more turns."""
    async with asyncio.TaskGroup() as tasks:
        queue = Queue(Semaphore(1), tasks)
        for client in "abcd":
            await queue.ask("k", client, 2)
        await queue.ask("m", "z", 3)
        assert queue.served == ["ka"]
        assert await queue.end(*"kkkkkkkkkk") == "ka mz kb mz kc mz kd kb kc kd"


async def test_a_client_may_not_fill_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client has half of it at most: what is beyond is refused, and others find room still."""
    monkeypatch.setattr("sidecar.concurrency.turns.MAX_WAITING", 10)
    async with asyncio.TaskGroup() as tasks:
        queue = Queue(Semaphore(1), tasks)
        first = await queue.ask("", "a", 1 + 5)
        with pytest.raises(QueueFull):
            await queue.semaphore.acquire(Caller("", "a"))
        waiting = await queue.ask("", "b")
        first[-1].cancel()
        await settle()
        waiting += await queue.ask("", "a")
        assert not any(task.done() for task in waiting)
        for _ in range(6):
            queue.semaphore.release()
            await settle()
        assert all(task.done() for task in waiting)
    assert queue.semaphore.try_acquire() is False
    queue.semaphore.release()
    assert queue.semaphore.try_acquire()


async def test_the_queue_has_a_limit_for_all_clients_together() -> None:
    """As many requests wait as docs/security.md says, and not one more, however many clients there are."""
    queue = WaitQueue()
    for number in range(MAX_WAITING):
        queue.add(Caller("", str(number)))
    with pytest.raises(QueueFull):
        queue.add(Caller("", "one more"))
    assert queue.count == MAX_WAITING
    (row,) = re.findall(
        r"^\| requests that wait .* at a server \| ([\d,]+) \|", SECURITY.read_text("utf-8"), re.MULTILINE
    )
    assert row == f"{MAX_WAITING:,}"


async def test_a_key_leaves_slots_to_others() -> None:
    """Calls of one key that never end leave slots to another's at once, which go on to be served fairly."""
    async with asyncio.TaskGroup() as tasks:
        queue = Queue(KeyedSemaphore(8, lambda: True), tasks)
        endless = await queue.ask("k", "a", 80)
        assert queue.served == ["ka"] * 4
        await queue.ask("m", "b")
        assert queue.served[4:] == ["mb"]
        assert queue.semaphore.try_acquire("n")
        queue.semaphore.release("n")
        assert await queue.end("m") == ""
        assert await queue.end("k") == "ka"
        for task in endless:
            task.cancel()
        await settle()
        for _ in range(4):
            queue.semaphore.release("k")
        assert [queue.semaphore.try_acquire("k") for _ in range(5)] == [True] * 4 + [False]


async def test_a_key_alone_has_all_slots() -> None:
    """Without named keys there is nobody to leave a slot to; when the first key is made, its share counts at once."""
    contested = False
    semaphore = KeyedSemaphore(4, lambda: contested)
    assert [semaphore.try_acquire() for _ in range(5)] == [True] * 4 + [False]
    contested = True
    semaphore.release()
    assert (semaphore.try_acquire(), semaphore.try_acquire("k")) == (False, True)


async def test_a_slot_is_not_lost_where_its_key_may_have_no_more() -> None:
    """A freed slot that nobody who waits may have is free; the next end lets the one in whose share allows it."""
    async with asyncio.TaskGroup() as tasks:
        queue = Queue(KeyedSemaphore(4, lambda: True), tasks)
        await queue.ask("k", "a", 3)
        assert queue.served == ["ka"] * 2
        await queue.ask("m", "b")
        await queue.ask("n", "c")
        assert queue.served[2:] == ["mb", "nc"]
        assert await queue.end("m", "n") == ""
        assert await queue.end("k") == "ka"


@given(st.lists(st.tuples(st.sampled_from(["take", "wait", "end", "cancel"]), st.integers(0, 3)), max_size=60))
@examples(60)
async def test_no_slot_is_ever_lost(steps: list[tuple[str, int]]) -> None:
    """Whatever is taken, waited for, ended and cancelled: at the end all slots are free, and were never too many."""
    semaphore = KeyedSemaphore(3, lambda: True)
    held: list[str] = []
    waiting: list[tuple[str, asyncio.Task[None]]] = []

    async def wait(key: str) -> None:
        await semaphore.acquire(Caller(key, "c"))
        held.append(key)

    for what, number in steps:
        key = f"k{number}"
        if what == "take" and semaphore.try_acquire(key):
            held.append(key)
        elif what == "wait":
            waiting.append((key, asyncio.create_task(wait(key))))
        elif what == "end" and held:
            semaphore.release(held.pop(number % len(held)))
        elif what == "cancel" and waiting:
            waiting[number % len(waiting)][1].cancel()
        if number:
            await settle(4)
        assert len(held) <= 3
    await settle(4)
    for _, task in waiting:
        task.cancel()
    await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)
    for key in held:
        semaphore.release(key)
    assert all(semaphore.try_acquire(f"n{number}") for number in range(3))


async def test_a_turn_that_does_not_come() -> None:
    """The error says that the server was not asked, so that the client may safely ask again."""
    semaphore = Semaphore(1)
    assert semaphore.try_acquire()
    with pytest.raises(CallTimeout) as caught:
        await semaphore.acquire_within(0.01, Caller("", "a"), "slow")
    assert caught.value.rpc()["data"]["retryable"] is True
    assert "`max_inflight`" in caught.value.advice
    assert CallTimeout("No answer.").retryable is False
