"""Lines, frames and tails of what a process writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.channels.lines import SHORT, Lines, LineTooLong, Tail, frames_of, split_long


@given(st.lists(st.binary(max_size=9)), st.lists(st.integers(1, 7)))
def test_lines_however_cut(lines: list[bytes], sizes: list[int]) -> None:
    """The same lines come out wherever the stream is cut."""
    stream = b"\n".join(lines)
    cutter, found = Lines(1000, never), []
    while stream:
        size = sizes.pop() if sizes else 3
        found += cutter.feed(stream[:size])
        stream = stream[size:]
    found.append(cutter.rest())
    assert found == b"\n".join(lines).split(b"\n")


@given(st.lists(st.tuples(st.integers(0, 3 * SHORT), st.sampled_from([b"x", b"\n"])), max_size=12))
def test_long_lines_are_split_as_any(runs: list[tuple[int, bytes]]) -> None:
    """Whatever their lengths, the lines are those that `bytes.split` finds."""
    data = b"".join(byte * (count if byte == b"x" else min(count, 3)) for count, byte in runs)
    assert split_long(data) == data.split(b"\n")


def never(ends: bytes, size: int) -> None:
    """No line is too long here."""
    pytest.fail(f"{size} bytes are too long: {ends!r}")


@pytest.mark.parametrize(
    "pieces",
    [[b"ab\n123456\ncd\n"], [b"ab\n123", b"456\ncd\n"], [b"ab\n1", b"2345", b"6", b"\ncd", b"\n"]],
)
def test_line_over_the_limit(pieces: list[bytes]) -> None:
    """It is passed over, and told of; the lines before and after it come."""
    told: list[tuple[bytes, int]] = []
    lines, found = Lines(5, lambda ends, size: told.append((ends, size))), list[bytes]()
    for piece in pieces:
        found += lines.feed(piece)
    assert ([line for line in found if line], [size for _, size in told]) == ([b"ab", b"cd"], [6])
    assert told[0][0].startswith(b"123456")
    assert lines.rest() == b""


def test_ends_of_a_line_over_the_limit() -> None:
    """Its beginning and its end are kept, however long it is between, and whether it ends with a newline or not."""
    told: list[tuple[bytes, int]] = []
    lines = Lines(100_000, lambda ends, size: told.append((ends, size)))
    for piece in (b"begin", b"x" * 99_000, b"y" * 150_000, b"z" * 100, b"end\nnext"):
        assert lines.feed(piece) in ([], [b""])
    [(ends, size)] = told
    assert (ends[:5], ends[-3:], size, len(ends)) == (b"begin", b"end", 249_108, 65_536 + 1024)
    assert sum(map(len, lines._parts)) == 4
    lines.feed(b"w" * 200_000)
    assert (lines.rest(), told[1][1]) == (b"", 200_004)


def test_endless_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that goes on for too many bytes, or too long, is refused; what is kept of it is small."""
    lines = Lines(100_000, never)
    with pytest.raises(LineTooLong):
        for _ in range(100):
            lines.feed(b"x" * 10_000)
            assert sum(map(len, lines._parts)) <= 101_000
    clock = iter([0.0, 0.0, 31.0])
    monkeypatch.setattr("sidecar.channels.lines.time.monotonic", lambda: next(clock))
    lines = Lines(10, never)
    lines.feed(b"x" * 11)
    with pytest.raises(LineTooLong):
        lines.feed(b"x")


def test_line_at_limit() -> None:
    """A line as long as the limit passes."""
    assert Lines(5, never).feed(b"12345\n12345\n") == [b"12345", b"12345"]


NO_FRAMES = [
    *(b"", b"hello", b"17", b"null", b"[]", b'[{"json":"2.0"},1]', b'{"level":"info"}', b'{"jsonrpc":"1.0"}', b"{x"),
    *(b'{"a":' * 100_000, b"\xff", b"{\xff}"),
]


@pytest.mark.parametrize("line", NO_FRAMES, ids=range(len(NO_FRAMES)))
def test_no_frame(line: bytes) -> None:
    """What is no JSON-RPC message raises ValueError, whatever else it is."""
    with pytest.raises(ValueError):
        list(frames_of(line))


def test_garbage_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that cannot be a message are not given to the parser: a server may write 30,000 in one read."""
    monkeypatch.setattr("sidecar.protocol.codec.loads", lambda *_, **__: pytest.fail("parsed"))
    for line in (b"y", b"", b"  17", b"null", b"INFO: [x]"):
        with pytest.raises(ValueError):
            list(frames_of(line))


def test_lenient() -> None:
    """Numbers that JSON lacks but other parsers take become null; the message is not lost."""
    assert list(frames_of(b'{"jsonrpc":"2.0","a":NaN,"b":-Infinity}')) == [{"jsonrpc": "2.0", "a": None, "b": None}]


def test_byte_order_mark() -> None:
    """A line that begins with a byte order mark is read all the same."""
    assert list(frames_of(b'\xef\xbb\xbf{"jsonrpc":"2.0"}')) == [{"jsonrpc": "2.0"}]


def test_half_a_character() -> None:
    """A lone surrogate becomes a question mark; the message is not lost."""
    assert list(frames_of(b'{"jsonrpc":"2.0","x":"\\ud800"}')) == [{"jsonrpc": "2.0", "x": "?"}]


def test_tail_tells_lines() -> None:
    """Each line is told once it is complete, masked."""
    told: list[str] = []
    tail = Tail(lambda text: text.replace("secret", "***"), told.append)
    tail.feed(b"one\ntwo sec")
    tail.feed(b"ret\n\nthree")
    assert told == ["one", "two ***"]


def test_tail_of_a_flood() -> None:
    """Of thousands of lines in a second, some are masked and told, and the others counted; the last are remembered."""
    told: list[str] = []
    masked: list[str] = []
    now = 10.0

    def mask(text: str) -> str:
        masked.append(text)
        return text

    tail = Tail(mask, told.append, count=2, clock=lambda: now)
    for start in range(0, 200_000, 1000):
        tail.feed(b"".join(b"%d\n" % number for number in range(start, start + 1000)))
        now += 0.001
    assert masked == told == [str(number) for number in range(Tail.RATE)]
    now += 1
    tail.feed(b"a\nb\nc\nd")
    assert told[Tail.RATE :] == [f"({200_000 - Tail.RATE} more lines are not shown)", "a", "b", "c"]
    assert tail.read() == ("c", "d")
    tail.feed(b"\n" * 100)
    tail.end()
    tail.end()
    assert told[-1] == "(63 more lines are not shown)"
    assert told.count(told[-1]) == 1


def test_tail_masks_each_line_once() -> None:
    """Who looks at the status again and again has nothing masked anew."""
    masked: list[str] = []

    def mask(text: str) -> str:
        masked.append(text)
        return text

    tail = Tail(mask, lambda line: None, count=5, clock=lambda: 0)
    tail.feed(b"".join(b"%d\n" % number for number in range(1000)))
    assert [tail.read() for _ in range(10)] == [("995", "996", "997", "998", "999")] * 10
    assert len(masked) == Tail.RATE + 5


def test_tail_of_few_lines() -> None:
    """Who looks again sees the same lines, not each once more."""
    tail = Tail(str)
    tail.feed(b"one\ntwo\nthr")
    assert [tail.read() for _ in range(3)] == [("one", "two", "thr")] * 3


@given(
    st.lists(st.sampled_from([b"a", b"bb", b"", b"c" * 9]), max_size=30), st.lists(st.integers(1, 40)), st.booleans()
)
def test_tail_however_cut(lines: list[bytes], sizes: list[int], told: bool) -> None:
    """The last lines are the same wherever the stream is cut, and however many of them were told."""
    stream = b"\n".join(lines)
    tail = Tail(str, (lambda line: None) if told else None, count=4, clock=lambda: 0)
    while stream:
        size = sizes.pop() if sizes else 3
        tail.feed(stream[:size])
        stream = stream[size:]
    expected = [*lines[:-1][-4:], *(line for line in lines[-1:] if line)][-4:]
    assert tail.read() == tuple(line.decode() for line in expected)


def test_tail_masks_before_cutting() -> None:
    """Secrets are masked before lines are cut; what is too long or too old is forgotten."""
    tail = Tail(lambda text: text.replace("password", "***"), count=3, width=8)
    assert tail.read() == ()
    tail.feed(b"old\nhello pass")
    tail.feed(b"word and more\r\ntop\nsecret")
    assert tail.read() == ("hello **", "top", "secret")
    tail.feed(b"\n" + b"x" * 10_000_000 + b"\xff\n")
    tail.feed(b"y" * 10_000)
    assert tail.read() == ("secret", "xxxxxxxx", "yyyyyyyy")
