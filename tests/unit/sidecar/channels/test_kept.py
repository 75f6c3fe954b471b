"""Channels to servers that outlive the sidecar: where the next one begins, and what it leaves as it was."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator

import orjson
import pytest

from sidecar.channels.kept import KeptChannel
from sidecar.channels.stdio import LINE_LIMIT, exit_error
from sidecar.large.reader import in_process
from sidecar.protocol.channel import Frame
from sidecar.spawner.keep import journal
from sidecar.spawner.keep.journal import ID_GAP, SLOTS, Journal

pytestmark = pytest.mark.outside


class Child:
    """A server whose ends of the pipes the test has; its process never ends."""

    def __init__(self, notes: int, agreed: bytes = b"") -> None:
        self.server_in, self.stdin = os.pipe()
        self.stdout, self.server_out = os.pipe()
        self.stderr, self.server_err = os.pipe()
        self.journal = os.dup(notes)
        self.agreed = agreed
        self.pid = 1
        self.done: list[str] = []

    def on_end(self, callback: Callable[[int], None]) -> None:
        """It does not end."""

    def deposit(self, agreed: bytes) -> None:
        """Take what was agreed on."""
        self.agreed = agreed

    def detach(self) -> None:
        """It stays."""
        self.done.append("detached")

    def give(self) -> None:
        """Its pipes are closed here."""
        self.done.append("given")

    async def stop(self, grace: float) -> None:
        """It is to end."""
        self.done.append("stopped")
        for fd in (self.server_out, self.server_err):
            os.close(fd)

    def close(self) -> None:
        """Close the test's ends."""
        os.close(self.server_in)
        if "stopped" not in self.done:
            os.close(self.server_out)
            os.close(self.server_err)


@pytest.fixture
def notes() -> Iterator[int]:
    """An empty journal."""
    fd = journal.create()
    yield fd
    os.close(fd)


def channel(child: Child, frames: list[Frame], leaving: bool = False) -> KeptChannel:
    """A channel to a server."""
    ignore = lambda *_: None  # noqa: E731
    end = lambda reason, _: exit_error(reason)  # noqa: E731
    return KeptChannel(child, lambda: leaving, frames.append, str, ignore, ignore, LINE_LIMIT, end, in_process)  # type: ignore[arg-type]


async def settled(frames: list[Frame], count: int) -> None:
    """Wait until so many frames were received."""
    while len(frames) < count:  # noqa: ASYNC110 - the pipe's reader has no event for tests
        await asyncio.sleep(0.001)


def request(number: int, method: str = "tools/call") -> Frame:
    """A request."""
    return {"jsonrpc": "2.0", "id": number, "method": method}


async def test_begins_at_the_next_line(notes: int) -> None:
    """The rest of a line that the predecessor has read in part is no message, however it looks."""
    for rest in (b'"text":"{}"}]}}', b"}", b"", '"ü"}'.encode()[2:], b'{"a":1}}'):
        child, frames = Child(notes, b"{}"), list[Frame]()
        os.write(child.server_out, rest + b'\n{"jsonrpc":"2.0","id":5,"result":{}}\n')
        kept = channel(child, frames)
        await kept.open()
        await settled(frames, 1)
        assert [frame["id"] for frame in frames] == [5]
        await kept.close(0)
        child.close()


@pytest.mark.parametrize("cut", [False, True])
async def test_ends_a_line_that_was_cut(notes: int, cut: bool) -> None:
    """Only then: a server need not cope with an empty line."""
    before = Journal(notes)
    before.partial(cut)
    before.close()
    child = Child(notes, b"{}")
    kept = channel(child, [])
    await kept.open()
    assert kept.try_send(request(1), True)
    line = orjson.dumps(request(1)) + b"\n"
    assert os.read(child.server_in, 1000) == (b"\n" + line if cut else line)
    await kept.close(0)
    child.close()


async def test_knows_what_its_predecessor_waited_for(notes: int) -> None:
    """Ids go on above those; each is told once."""
    child, frames = Child(notes), list[Frame]()
    first = channel(child, frames)
    await first.open()
    for number in (1, 2, 3):
        assert first.try_send(request(number), True)
    await first.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    os.write(child.server_out, b'{"jsonrpc":"2.0","id":2,"result":{}}\n')
    await settled(frames, 1)
    first.deposit({"era": "legacy"})
    assert (first.agreed, first.first_id, first.unanswered) == (None, 0, ())
    again = Child(notes, child.agreed)
    second = channel(again, [])
    assert (second.agreed, second.first_id, second.unanswered) == ({"era": "legacy"}, 3 + ID_GAP, (1, 3))
    assert channel(Child(notes), []).unanswered == ()
    await first.close(0)
    child.close()


async def test_a_long_line_is_noted_until_it_is_written(notes: int) -> None:
    """Of a line that does not fit into the pipe, the server may have read a part."""
    child = Child(notes)
    kept = channel(child, [])
    await kept.open()
    assert kept.try_send({**request(1), "params": {"x": "y" * 100_000}}, True)
    assert Journal(notes).cut
    left = 100_000
    while left > 0:
        left -= len(await asyncio.to_thread(os.read, child.server_in, 1 << 16))
    while Journal(notes).cut:  # noqa: ASYNC110 - it is noted in memory, without an event
        await asyncio.sleep(0.001)
    await kept.close(0)
    child.close()


@pytest.mark.parametrize(
    ("leaving", "agreed", "done"),
    [(True, b"{}", ["detached", "stopped", "given"]), (True, b"", ["stopped"]), (False, b"{}", ["stopped"])],
)
async def test_stays_only_when_the_sidecar_leaves(notes: int, leaving: bool, agreed: bytes, done: list[str]) -> None:
    """And only with what the next one needs. What the server has not read stays in the pipe then."""
    child = Child(notes, agreed)
    kept = channel(child, [], leaving)
    await kept.open()
    assert kept.try_send(request(7), True)
    assert kept.unread_ids() == (frozenset() if done[0] == "detached" else frozenset({7}))
    await kept.close(0)
    assert child.done == done  # `Child.stop` of a detached one does nothing
    assert (await kept.wait_closed()).code == "SERVER_CONNECTION_LOST"
    child.close()


def test_a_slot_is_the_latest_requests(notes: int) -> None:
    """One that outlasts as many later ones is forgotten, and its answer clears no other."""
    book = Journal(notes)
    book.sent(5)
    book.sent(5 + SLOTS)
    book.answered(5)
    book.close()
    assert Journal(notes).unanswered == (5 + SLOTS,)
