"""A server may send a burst of messages that nobody waits for; beyond that it is slowed down, then cut off."""

from __future__ import annotations

import json
import time

import pytest

from sidecar.channels import output
from sidecar.channels.output import Output
from sidecar.channels.pace import BURST, FLOOD_SECONDS, MAX_PAUSE, RATE, SLOWED_SECONDS, Pace
from tests.support.fake_server import until

ANSWER = {"jsonrpc": "2.0", "id": 1, "result": {}}
NOTICE = {"jsonrpc": "2.0", "method": "notifications/message", "params": {}}


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def paced() -> tuple[Pace, Clock, list[str]]:
    """A pace, its clock, and what it reports."""
    clock, reported = Clock(), list[str]()
    return Pace(reported.append, clock), clock, reported


def test_a_burst_does_not_pause() -> None:
    """As many small messages as `BURST` pass at once, again and again with breaks between them."""
    pace, clock, reported = paced()
    for _ in range(10):
        for _ in range(int(BURST) - 1):
            pace.take(0)
        assert not pace.exceeded
        clock.now += BURST / RATE
        pace.pause()
    assert reported == []


def test_what_comes_without_a_break_comes_at_the_rate() -> None:
    """Over ten seconds, a flood gets through no more than `RATE` units a second; large messages count more."""
    for size, cost in ((0, 1), (10 << 10, 11)):
        pace, clock, _ = paced()
        taken, end = 0, clock.now + 10
        while clock.now < end:
            while not pace.exceeded:
                pace.take(size)
                taken += cost
            clock.now += pace.pause()
        assert taken == pytest.approx(10 * RATE, rel=0.05)


def test_a_flood_is_reported_once_and_ends_the_connection() -> None:
    """After `SLOWED_SECONDS` it is said, after `FLOOD_SECONDS` it is over; a break between two floods forgives."""
    pace, clock, reported = paced()

    def flood(seconds: float) -> None:
        end = clock.now + seconds
        while clock.now < end:
            while not pace.exceeded:
                pace.take(0)
            clock.now += pace.pause()

    flood(SLOWED_SECONDS / 2)
    assert reported == []
    flood(FLOOD_SECONDS / 2)
    assert len(reported) == 1
    assert not pace.floods
    clock.now += 1
    pace.pause()
    flood(FLOOD_SECONDS - 2)
    assert not pace.floods
    assert len(reported) == 2
    flood(3)
    assert pace.floods


def test_a_flood_that_is_reported_lasts_until_a_break() -> None:
    """`slowed` is false before the report, and again once the server has sent nothing for a moment, unasked."""
    pace, clock, reported = paced()
    end = clock.now + 2 * SLOWED_SECONDS
    while clock.now < end:
        while not pace.exceeded:
            pace.take_noise(100)
        assert pace.slowed == bool(reported)
        clock.now += pace.pause()
    assert reported == ["it sends too much output that is not an MCP message, and the hub slows it down"]
    assert pace.slowed
    clock.now += BURST / RATE
    assert not pace.slowed


def test_a_pause_is_bounded() -> None:
    """A huge message costs no more than `MAX_PAUSE`."""
    pace, clock, _ = paced()
    pace.take(1 << 30)
    seconds = pace.pause()
    assert 0 < seconds <= MAX_PAUSE
    clock.now += seconds
    assert pace.pause() == 0


class Place:
    """An output whose frames of one kind nobody waits for. Its pace's clock stands still until `thaw`."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.reading: list[bool] = []
        self.ended = 0
        self.backlog = 0
        self.asked = 0
        self.output = Output(
            self._take,
            lambda _: None,
            self._end,
            1 << 20,
            set_reading=self.reading.append,
            backlog=self._ask_backlog,
        )
        self._stopped_at: float | None = time.monotonic()
        self.output.pace = Pace(lambda _: None, self._clock)

    def _clock(self) -> float:
        return time.monotonic() if self._stopped_at is None else self._stopped_at

    def thaw(self) -> None:
        """Let time pass."""
        self._stopped_at = None

    def _take(self, frame: dict[str, object]) -> bool | None:
        self.frames.append(str(frame.get("method", "answer")))
        return False if "method" in frame else None

    def _ask_backlog(self) -> int:
        self.asked += 1
        return self.backlog

    def _end(self) -> None:
        self.ended += 1


def lines(frame: dict[str, object], count: int) -> bytes:
    """A frame, so many times."""
    return (json.dumps(frame).encode() + b"\n") * count


async def test_output_pauses_in_the_middle_of_what_it_was_given() -> None:
    """Others have their turn; nothing is lost, the order stays, and reading stops meanwhile."""
    place = Place()
    place.output.feed(lines(NOTICE, 2000) + lines(ANSWER, 1))
    assert BURST / 2 < len(place.frames) <= BURST
    assert place.reading == [False]
    assert place.output.reads
    place.output.feed(lines(ANSWER, 1))
    place.thaw()
    await until(lambda: len(place.frames) == 2002)
    assert place.frames == ["notifications/message"] * 2000 + ["answer"] * 2
    await until(lambda: place.reading[-1])
    assert not place.output.reads


@pytest.mark.parametrize("noise", [b"noise\n", b"\n", b'{"jsonrpc": "2.0", "id": 1, ]}\n'])
async def test_noise_counts_too(noise: bytes) -> None:
    """Output that is no message is slowed down as well."""
    place = Place()
    place.output.feed(noise * 40_000)
    assert place.reading == [False]
    place.output.close()


@pytest.mark.parametrize(
    "noise",
    [
        b"\n" * 9000,
        b'{"jsonrpc": "2.0", "id": 1, ]}\n' * 200,
        b"[INFO] not JSON\n" * 200,
        b'{"jsonrpc": "2.0", "id": 1, "result": \n' * 200 + b"xx\n",
    ],
)
async def test_noise_counts_for_what_it_costs(noise: bytes) -> None:
    """Lines that have to be parsed before they are found to be no messages count more than others."""
    place = Place()
    place.output.feed(noise)
    assert place.reading == [False]
    place.output.close()


async def test_answers_do_not_pause() -> None:
    """However many answers come, they are delivered at once."""
    place = Place()
    place.output.feed(lines(ANSWER, 5000))
    assert (len(place.frames), place.reading) == (5000, [])


async def test_it_waits_for_a_server_that_does_not_read() -> None:
    """As long as the server does not read what it is sent, a flood of it waits."""
    place = Place()
    place.backlog = 1
    place.output.feed(lines(NOTICE, 2000))
    before = len(place.frames)
    assert BURST / 2 < before <= BURST
    await until(lambda: place.asked >= 3)
    assert len(place.frames) == before
    place.backlog = 0
    place.thaw()
    await until(lambda: len(place.frames) == 2000)
    assert place.ended == 0


async def test_it_does_not_wait_for_ever_for_a_server_that_cannot_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that reads nothing before its output was read would wait for the hub, and the hub for it."""
    monkeypatch.setattr(output, "STUCK_SECONDS", 0.2)
    place = Place()
    place.backlog = 7
    place.output.feed(lines(NOTICE, 2000))
    before = len(place.frames)
    await until(lambda: place.asked >= 2)
    assert (len(place.frames), place.output.stuck) == (before, False)
    place.thaw()
    await until(lambda: len(place.frames) == 2000)
    assert place.output.stuck
    await until(lambda: place.reading[-1])
    place.backlog = 6  # it reads again: it is waited for
    place.output.feed(lines(NOTICE, 2000))
    await until(lambda: not place.output.stuck)
    place.output.close()


async def test_a_server_is_not_stuck_any_more_after_its_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the hub would drop its answers to a server that only reads slowly, long after that."""
    monkeypatch.setattr(output, "STUCK_SECONDS", 0.2)
    place = Place()
    place.backlog = 7
    place.output.feed(lines(NOTICE, 2000))
    place.thaw()
    await until(lambda: place.output.stuck)
    await until(lambda: not place.output.reads and not place.output.stuck)
    assert len(place.frames) == 2000


async def test_the_end_delivers_the_rest() -> None:
    """What was written before the server ended is delivered, though it would have had to wait."""
    place = Place()
    place.output.feed(lines(NOTICE, 2000) + lines(ANSWER, 1))
    assert len(place.frames) < 2000
    place.output.end()
    assert place.frames[-1] == "answer"
    assert len(place.frames) == 2001
