"""JSON in and out, the rare kinds too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.protocol import codec

LEAF = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)


def json_of(leaves: int) -> st.SearchStrategy[object]:
    """Whatever JSON can say, of at most so many leaves."""
    return st.recursive(
        LEAF, lambda children: st.lists(children) | st.dictionaries(st.text(), children), max_leaves=leaves
    )


JSON, SMALL = json_of(20), json_of(5)


@given(JSON)
def test_round_trip(value: object) -> None:
    """What is written is read again as it was."""
    assert codec.loads(codec.dumps(value)) == value


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**40])
def test_integers_beyond_64_bits(number: int) -> None:
    """An integer that orjson cannot write is written all the same; read, it is the nearest double."""
    assert codec.dumps({"größe": [number]}) == f'{{"größe":[{number}]}}'.encode()
    assert codec.loads(str(number).encode()) == float(number)


@pytest.mark.parametrize("value", [object(), float("nan"), {1: 2}])
def test_what_is_no_json_is_not_written_as_something_else(value: object) -> None:
    """Only what JSON cannot say is refused, or made null as orjson does."""
    try:
        assert codec.dumps(value) == b"null"
    except TypeError:
        assert not isinstance(value, float)


@pytest.mark.parametrize(
    ("data", "value"), [(b'"\\ud800"', "?"), (b'{"\\udfff":1}', {"?": 1}), (b'{"a":["x\\ud83d"]}', {"a": ["x?"]})]
)
def test_lone_surrogates(data: bytes, value: object) -> None:
    """Half a character is read as a question mark, so that what has it can be passed on."""
    assert codec.loads(data) == value


def test_nan_of_a_server() -> None:
    """NaN and Infinity of a server become null where that is asked for."""
    assert codec.loads(b'{"a":NaN,"b":[-Infinity]}', from_server=True) == {"a": None, "b": [None]}


def test_not_utf8() -> None:
    """Bytes of a server that are not UTF-8 become U+FFFD; of a client they are refused."""
    data = b'{"a":"\xff\xc3","b":1}'
    assert codec.loads(data, from_server=True) == {"a": "\ufffd\ufffd", "b": 1}
    with pytest.raises(ValueError, match=r"."):
        codec.loads(data)


@pytest.mark.parametrize("digits", [20, 300])
def test_long_integers_beside_what_is_lenient(digits: int) -> None:
    """They are read as the same double wherever they stand; beyond doubles they are refused."""
    number = "9" * digits
    assert codec.loads(f'["\\ud800",{number},-7]'.encode()) == ["?", float(number), -7]


@pytest.mark.parametrize("digits", [400, 5000, 100_000])
def test_integers_beyond_doubles(digits: int) -> None:
    """What could only be infinite is a ValueError."""
    with pytest.raises(ValueError, match=r"."):
        codec.loads(b'{"a":' + b"9" * digits + b"}", from_server=True)


@pytest.mark.parametrize("data", [b"", b"{", b"NaN", b"[Infinity]", b"-Infinity", b"{'a': 1}", b"\xff", b'"\xc3"'])
def test_not_json(data: bytes) -> None:
    """What is not JSON is a ValueError, as NaN is."""
    with pytest.raises(ValueError, match=r"."):
        codec.loads(data)


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000]
)
def test_too_deep(data: bytes) -> None:
    """What is nested too deeply is a ValueError, not a RecursionError."""
    with pytest.raises(ValueError, match=r"."):
        codec.loads(data)


@pytest.mark.parametrize("depth", [100, 250, 300, 900, 980])
def test_what_is_read_can_be_written(depth: int) -> None:
    """Nothing is read that could not be passed on."""
    data = b'{"a":' * depth + b"1" + b"}" * depth
    try:
        value = codec.loads(data)
    except ValueError:
        return
    assert codec.dumps(value) == data


def test_infinity_by_exponent() -> None:
    """A number too large for a double is not read as infinity, which could not be written."""
    with pytest.raises(ValueError, match=r"."):
        codec.loads(b'{"a": 1e999, "b": "\\ud800"}')


@given(st.lists(SMALL, max_size=3), SMALL)
def test_written_lists(items: list[object], beside: object) -> None:
    """A list that was written before is written as any other, wherever it stands; and it is a list like others."""
    written = codec.EncodedList(items)
    assert written == items
    assert codec.dumps({"a": written, "b": beside}) == codec.dumps({"a": items, "b": beside})
    assert codec.loads(codec.dumps([written, 2**64])) == [items, 2.0**64]


def test_a_written_list_is_not_written_again() -> None:
    """What is sent are the bytes of the first time."""
    written = codec.EncodedList([{"name": "a"}])
    written.data = b'["the bytes"]'
    assert codec.dumps({"tools": written}) == b'{"tools":["the bytes"]}'
