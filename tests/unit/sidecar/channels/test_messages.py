"""What a server sent: frames, noise, and answers that cannot be read."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.channels import messages
from sidecar.channels.messages import instead, left_open, read


@pytest.mark.parametrize(
    ("data", "frames"),
    [
        (b'{"jsonrpc":"2.0","id":1,"result":{}}', [{"jsonrpc": "2.0", "id": 1, "result": {}}]),
        (b'{"id":1,"result":{},"error":null}', [{"id": 1, "result": {}, "error": None}]),
        (b'[{"jsonrpc":"2.0","id":1},5,{"level":"info"}]', [{"jsonrpc": "2.0", "id": 1}]),
        (b'{"jsonrpc":"2.0","x":"\xff"}', [{"jsonrpc": "2.0", "x": "\ufffd"}]),
    ],
)
def test_read(data: bytes, frames: list[dict[str, Any]]) -> None:
    """Messages as they are; a response may lack `jsonrpc`; of a batch what is a message; U+FFFD for no UTF-8."""
    assert read(data) == frames


@pytest.mark.parametrize(
    ("data", "lax"),
    [
        (b'{"method":"GET","path":"/"}', True),
        (b'{"id":1,"level":"info","error":{"code":1}}', True),
        (b'{"id":1,"level":"error","error":"disk full"}', False),
        (b'{"id":1}', False),
        (b'{"jsonrpc":"1.0","id":1,"result":{}}', False),
    ],
)
def test_strict(data: bytes, lax: bool) -> None:
    """Where servers print too, their structured logs are no messages."""
    with pytest.raises(ValueError, match="not JSON-RPC"):
        read(data)
    if lax:
        assert read(data, strict=False)
    else:
        with pytest.raises(ValueError, match="not JSON-RPC"):
            read(data, strict=False)


DEEP = '{"a":' * 300 + "1" + "}" * 300
LONG = "9" * 5000
BROKEN: list[tuple[str, int | str | None]] = [
    ('{"jsonrpc":"2.0","id":7,"result":%s}' % DEEP, 7),  # noqa: UP031
    ('{"result":%s,"jsonrpc":"2.0","id":7}' % DEEP, 7),  # noqa: UP031
    ('{"jsonrpc":"2.0","id":7,"result":{"n":%s}}' % LONG, 7),  # noqa: UP031
    ('{"jsonrpc":"2.0","id":"7","result":{}} done', "7"),
    ('INFO: {"jsonrpc": "2.0", "id": 7, "result": {}}', 7),
    ('{"jsonrpc":"1.0","id":7,"result":{}}', 7),
    ('{"jsonrpc":"2.0","id":7,"result":{"content":[{"text":"a line', 7),
    ('{"jsonrpc":"2.0","id":7,"res"INFO noise"ult":{}}', 7),
    ('{"result":{"id":1,"x":[{"id":2}],"s":"\\"id\\":3"},"id":7,"jsonrpc":"2.0",}', 7),
    ('{"result":{"id":1,"jsonrpc":"2.0"},"id":7,"error"}', 7),
    ('{"jsonrpc":"2.0","result":{"id":1},}', None),
    ('{"jsonrpc":"2.0","result":{"id":1}', None),
    ('{ "id" : 7 , "result" : { } } }', 7),
]


@pytest.mark.parametrize(("text", "request_id"), BROKEN, ids=range(len(BROKEN)))
def test_instead(text: str, request_id: int | str | None) -> None:
    """An answer that cannot be read is an error with the id of its own, never with one that is inside."""
    with pytest.raises(ValueError):
        read(text.encode() if not text.startswith("INFO") else text.encode()[6:] + b"x")
    unread = instead(text.encode())
    assert unread is not None
    assert (unread["id"], unread["error"]["data"]["code"]) == (request_id, "SERVER_ANSWER_INVALID")


NOISE = [
    *(
        "",
        "hello",
        "{",
        "}",
        "{x",
        "{'jsonrpc':'2.0','id':1,'result':{}}",
        '{"jsonrpc":"2.0"',
        '{"level":"info","id":1',
    ),
    *('{"jsonrpc":"2.0","id":1,"method":"ping",}', '{"jsonrpc":"2.0","method":"a","params":{"id":1,"result":1}'),
    *('{"jsonrpc":"2.0","id":null,"result":{},}', '{"jsonrpc":"2.0","id":[1],"result":{},}', '"jsonrpc" "id" 1'),
    *('{"msg":{"jsonrpc":"2.0","id":1,"result":{}},}', '{"id":1,"error":"disk full","level":"x",}', '{"id":1,}'),
]


@pytest.mark.parametrize("text", NOISE)
def test_noise(text: str) -> None:
    """What does not look like an answer is none: banners, logs, dumps, requests, notifications, ids that are none."""
    assert instead(text.encode()) is None


@pytest.mark.parametrize("tail", ['"id":7}', '"id": "7", "jsonrpc": "2.0" }\r', '"jsonrpc":"2.0","id":7}'])
def test_id_at_the_end(tail: str) -> None:
    """Of a long message the end is looked at too, where JavaScript writes the id."""
    text = '{"jsonrpc":"2.0","result":{"x":"' + "y" * 100_000 + '"},' + tail
    unread = instead(text.encode())
    assert unread is not None
    assert str(unread["id"]) == "7"
    inside = instead(text.replace("2.0", "2.1", 1)[:-2].encode() + b"}}")
    assert inside is not None
    assert inside["id"] is None


@given(st.text(st.sampled_from('{}[]",:\\ 17aidrsulteo'), max_size=60) | st.binary(max_size=60))
def test_anything(noise: str | bytes) -> None:
    """Nothing raises, whatever is in it and around it, and a nested id is never taken."""
    data = noise.encode() if isinstance(noise, str) else noise
    instead(data)
    left_open(data)
    nested = instead(b'{"jsonrpc":"2.0","result":' + json.dumps({"x": data.decode(errors="replace"), "id": 5}).encode())
    assert nested is not None
    assert nested["id"] is None


@pytest.mark.parametrize("unit", [b'{"', b'"\\', b"[", b'{"a":', b"\\\\", b'","id":', b"1" * 50 + b",", b"  "])
def test_linear(unit: bytes) -> None:
    """A megabyte of anything takes no time to speak of."""
    data = b'{"jsonrpc":"2.0","result":' + unit * (1_000_000 // len(unit))
    began = time.process_time()
    instead(data)
    left_open(data[: messages.SCANNED])
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("data", "count"),
    [(b"{", 1), (b'{"a":[', 2), (b"}]", -2), (b'"{["', 0), (b'"a\\"{', None), (b'"a\\"', None), (b"", 0)],
)
def test_left_open(data: bytes, count: int | None) -> None:
    """What begins and does not end, outside of strings."""
    assert left_open(data) == count
