"""What a stdio server writes to its stdout, line by line."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from sidecar.channels import output as module
from sidecar.channels.output import Output
from sidecar.protocol.channel import Frame
from tests.support.fake_server import settle, until

ANSWER = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": '{ [ "x" '}, []], "n": -1.5}}


class Taken:
    """An output with what came of it."""

    def __init__(self, limit: int = 10_000) -> None:
        self.frames: list[Frame] = []
        self.skipped: list[bytes] = []
        self.floods = 0
        self.output = Output(self.frames.append, self.skipped.append, self._flood, limit)

    def _flood(self) -> None:
        self.floods += 1

    def take(self, *lines: str | Any) -> None:
        for line in lines:
            self.output.feed((line if isinstance(line, str) else json.dumps(line)).encode() + b"\n")

    def ids(self) -> list[Any]:
        return [frame["id"] for frame in self.frames]


@pytest.fixture
async def taken() -> Any:
    """An output that ends well: nothing is left that waits."""
    made = Taken()
    yield made
    made.output.end()
    assert (made.output._line_timer, made.output._quoted, made.output._part) == (None, {}, [])


@pytest.mark.parametrize("indent", [0, 2, "\t"])
async def test_indented(taken: Taken, indent: Any) -> None:
    """JSON over several lines is one message; what comes after it is read as ever."""
    taken.take(json.dumps(ANSWER, indent=indent), {"jsonrpc": "2.0", "id": 2, "result": {}})
    assert taken.frames == [ANSWER, {"jsonrpc": "2.0", "id": 2, "result": {}}]
    assert taken.skipped == []


async def test_dumps_are_skipped(taken: Taken) -> None:
    """What servers print over several lines is none, complete or not, and loses no message after it."""
    taken.take("{", "  port: 3000,", "}", ANSWER, "config {", ANSWER, json.dumps({"port": [1]}, indent=2), ANSWER)
    taken.take("{", '  "port": 1,', ANSWER, "{", "INFO ready", "{", "", ANSWER)
    assert taken.frames == [ANSWER] * 5
    assert len(taken.skipped) == 15


async def test_cut(taken: Taken) -> None:
    """A message that was cut is an error as soon as another one begins, or the output ends."""
    taken.take('{"jsonrpc":"2.0","id":1,"result":{"content":[', ANSWER | {"id": 2}, "{", '"jsonrpc":"2.0",', '"id":3,')
    assert taken.ids() == [1, 2]
    taken.output.end()
    assert taken.ids() == [1, 2, 3]
    assert [frame["error"]["data"]["code"] for frame in taken.frames[::2]] == ["SERVER_ANSWER_INVALID"] * 2


async def test_a_newline_within_a_string(taken: Taken) -> None:
    """A raw newline breaks the message at once."""
    taken.take('{"jsonrpc":"2.0","id":1,"result":{"text":"one', 'two"}}', ANSWER | {"id": 2})
    assert taken.ids() == [1, 2]


async def test_many_lines_are_no_flood(taken: Taken) -> None:
    """An indented answer is what a request waits for, however many lines it has."""
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"content": [1] * 1500}}
    taken.take(json.dumps(answer, indent=0))
    assert (taken.frames, taken.output.pace.exceeded) == ([answer], False)


async def test_it_does_not_wait_for_ever(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of a message over several lines has to come soon, and is as long as a message may be."""
    monkeypatch.setattr(module, "LINE_TIMEOUT", 0.01)
    taken.take('{"jsonrpc":"2.0","id":1,')
    await until(lambda: taken.frames)
    assert taken.ids() == [1]
    taken.take('{"jsonrpc":"2.0","id":2,"result":[', *['"x",'] * 3000)
    assert taken.ids() == [1, 2]


async def test_noise_before_it(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that tells of an answer may be a log of it: only if none comes is it taken for one, in vain."""
    monkeypatch.setattr(module, "QUOTED_ANSWER_WAIT", 0.01)
    taken.take("DEBUG sending " + json.dumps(ANSWER), "DEBUG " + json.dumps(ANSWER), "DEBUG jsonrpc")
    await settle()
    assert (taken.frames, len(taken.output._quoted)) == ([], 1)
    await until(lambda: taken.frames)
    assert taken.ids() == [1]
    taken.take("DEBUG " + json.dumps(ANSWER))


@pytest.mark.parametrize("ends", [False, True])
async def test_large_messages_let_others_be_served(monkeypatch: pytest.MonkeyPatch, ends: bool) -> None:
    """Each is read in one turn of the loop and handed on in another; all come, in order, what was noise is skipped."""
    monkeypatch.setattr(module, "LARGE_SIZE", 1000)
    taken = Taken()
    large = {"jsonrpc": "2.0", "id": 2, "result": "x" * 1000}
    taken.take(ANSWER)
    taken.output.feed(b"\n".join(json.dumps(each).encode() for each in (ANSWER, large, large, ANSWER)) + b"\n")
    assert taken.ids() == [1, 1]
    taken.take("noise " * 300, ANSWER | {"id": 3})
    assert taken.ids() == [1, 1]
    if ends:
        taken.output.end()
    else:
        turns = 0
        while len(taken.frames) < 6:
            await asyncio.sleep(0)
            turns += 1
        assert turns >= 4
    assert taken.ids() == [1, 1, 2, 2, 1, 3]
    assert len(taken.skipped) == 1
    taken.take(ANSWER)
    assert (len(taken.frames), taken.output._later) == (7, [])
    await settle()
    taken.output.close()


async def test_too_long_a_line() -> None:
    """An answer that is too long is an error; a line without an end ends it all."""
    taken = Taken(limit=100_000)
    taken.take({"jsonrpc": "2.0", "id": 1, "result": "x" * 100_000}, "y" * 100_001, ANSWER)
    assert [(frame["id"], "error" in frame) for frame in taken.frames] == [(1, True), (1, False)]
    assert taken.frames[0]["error"]["data"]["code"] == "SERVER_OUTPUT_TOO_LARGE"
    assert (len(taken.skipped), taken.floods) == (2, 0)
    taken.output.feed(b"x" * 400_001)
    assert taken.floods == 1
    taken.output.close()
