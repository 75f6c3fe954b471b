"""Requests whose body is a whole second request, in every way in which HTTP/1.1 can say how long a body is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

METHODS = (
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
    "PROPFIND", "PROPPATCH", "MKCOL", "LOCK", "SEARCH", "REPORT", "M-SEARCH", "QUERY",
)  # fmt: skip
PAIR = b"x-pair"
"""The header with a request's number. What is smuggled has none."""
SMUGGLED = b"/mcp/smuggled"
"""The path of every request that is inside of a body."""
FLOOD = (b"a:",) * 2001
"""One header more than Node keeps by default."""

RAW, CHUNKED, NOTHING = "raw", "chunked", "nothing"
LENGTH, TE = b"Content-Length: {n}", b"Transfer-Encoding: chunked"


@dataclass(frozen=True)
class Framing:
    """`lines` frame the `body`; `{n}` stands for the body's length in bytes, `{x}` for the same in hexadecimal."""

    name: str
    lines: tuple[bytes, ...]
    body: str
    version: bytes = b"1.1"


def _framings() -> Iterator[Framing]:
    yield Framing("none", (), NOTHING)
    yield Framing("length 0", (b"Content-Length: 0",), NOTHING)
    yield Framing("length", (LENGTH,), RAW)
    yield Framing("chunked", (TE,), CHUNKED)
    for name, lines in {
        "twice the same": (LENGTH, LENGTH),
        "two, the last 0": (LENGTH, b"Content-Length: 0"),
        "two, the first 0": (b"Content-Length: 0", LENGTH),
        "list": (b"Content-Length: {n}, {n}",),
        "list of two": (b"Content-Length: 0, {n}",),
        "plus sign": (b"Content-Length: +{n}",),
        "minus sign": (b"Content-Length: -{n}",),
        "hexadecimal": (b"Content-Length: 0x{x}",),
        "leading zeros": (b"Content-Length: 000{n}",),
        "blank inside": (b"Content-Length: 0 {n}",),
        "blank before the colon": (b"Content-Length : {n}",),
        "tab before the colon": (b"Content-Length\t: {n}",),
        "empty": (b"Content-Length:", b"Content-Length: {n}"),
        "folded": (b"Content-Length:", b" {n}"),
        "in odd case": (b"cOnTeNt-LeNgTh: {n}",),
        "named by Connection": (b"Connection: content-length", LENGTH),
        "named in odd case": (LENGTH, b"Connection: keep-alive, Content-LENGTH"),
        "with Expect": (LENGTH, b"Expect: 100-continue"),
        "with Upgrade": (LENGTH, b"Connection: Upgrade", b"Upgrade: h2c"),
        "with Upgrade to WebSocket": (LENGTH, b"Connection: Upgrade", b"Upgrade: websocket"),
        "Upgrade named with it": (LENGTH, b"Connection: Upgrade, content-length", b"Upgrade: h2c"),
        "after 2001 headers": (*FLOOD, LENGTH),
        "Upgrade after 2001 headers": (b"Connection: Upgrade", b"Upgrade: h2c", *FLOOD, LENGTH),
        "host named": (b"Connection: host", LENGTH),
        "authorization named": (b"Connection: authorization", LENGTH),
        "bare line feed": (b"X-A: 1\nContent-Length: {n}",),
    }.items():
        yield Framing(f"length {name}", lines, RAW)
    for name, lines in {
        "in odd case": (b"tRANSFER-eNCODING: cHUNKED",),
        "identity": (b"Transfer-Encoding: identity",),
        "gzip": (b"Transfer-Encoding: gzip, chunked",),
        "twice in a list": (b"Transfer-Encoding: chunked, chunked",),
        "twice": (TE, TE),
        "identity after it": (TE, b"Transfer-Encoding: identity"),
        "identity before it": (b"Transfer-Encoding: identity", TE),
        "xchunked": (b"Transfer-Encoding: xchunked",),
        "quoted": (b'Transfer-Encoding: "chunked"',),
        "tab before the value": (b"Transfer-Encoding:\tchunked",),
        "tab after the value": (b"Transfer-Encoding: chunked\t",),
        "vertical tab": (b"Transfer-Encoding: \x0bchunked",),
        "comma after it": (b"Transfer-Encoding: chunked,",),
        "parameter": (b"Transfer-Encoding: chunked;q=1",),
        "blank before the colon": (b"Transfer-Encoding : chunked",),
        "folded": (b"Transfer-Encoding:", b" chunked"),
        "before a length": (TE, b"Content-Length: 4"),
        "after a length": (b"Content-Length: 4", TE),
        "with a length of 0": (b"Content-Length: 0", TE),
        "named by Connection": (b"Connection: transfer-encoding", TE),
        "a length named": (TE, b"Content-Length: 0", b"Connection: content-length"),
        "with TE and Trailer": (TE, b"TE: trailers", b"Connection: TE", b"Trailer: Content-Length"),
        "with Expect": (TE, b"Expect: 100-continue"),
        "with Upgrade": (TE, b"Connection: Upgrade", b"Upgrade: h2c"),
        "with Upgrade to WebSocket": (TE, b"Connection: Upgrade", b"Upgrade: websocket"),
        "after 2001 headers": (*FLOOD, TE),
        "Upgrade after 2001 headers": (b"Connection: Upgrade", b"Upgrade: h2c", *FLOOD, TE),
        "bare line feed": (b"X-A: 1\nTransfer-Encoding: chunked",),
    }.items():
        yield Framing(f"chunked {name}", lines, CHUNKED)
    for name in ("extension", "trailer", "hexadecimal 0x", "leading zeros", "bare line feeds", "blank after the size"):
        yield Framing(f"chunks with {name}", (TE,), name)
    yield Framing("HTTP/1.0 chunked", (TE,), CHUNKED, b"1.0")
    yield Framing("HTTP/1.0 chunked, kept", (b"Connection: keep-alive", TE), CHUNKED, b"1.0")
    yield Framing("HTTP/1.0 length", (LENGTH,), RAW, b"1.0")


FRAMINGS = tuple(_framings())


def requests(host: bytes, path: bytes, headers: tuple[bytes, ...] = (), payload: bytes | None = None) -> list[bytes]:
    """Every method with every framing, in order; each with its number in `PAIR`.

    Half of them carry a whole request, half one whose head does not end: what comes next would be its header.
    """
    found = []
    for number, (method, framing) in enumerate((method, framing) for method in METHODS for framing in FRAMINGS):
        inner = payload or smuggled(host, number)
        marked = (b"Host: " + host, b"X-Pair: %d" % number, *headers)
        found.append(request(method.encode(), path, framing, marked, inner))
    return found


def smuggled(host: bytes, number: int) -> bytes:
    """A request to be smuggled."""
    line = b"POST %b-%d HTTP/1.1\r\nHost: %b\r\n" % (SMUGGLED, number, host)
    return line + (b"X-Swallow: " if number % 2 else b"Content-Length: 2\r\n\r\n{}")


def request(method: bytes, path: bytes, framing: Framing, headers: tuple[bytes, ...], payload: bytes) -> bytes:
    """One request, as it goes over the wire."""
    size = {b"{n}": b"%d" % len(payload), b"{x}": b"%x" % len(payload)}
    lines = [line.replace(b"{n}", size[b"{n}"]).replace(b"{x}", size[b"{x}"]) for line in framing.lines]
    head = [b"%b %b HTTP/%b" % (method, path, framing.version), *headers, *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + _body(framing.body, payload)


def _body(kind: str, payload: bytes) -> bytes:
    size = b"%x" % len(payload)
    last = b"0\r\n\r\n"
    match kind:
        case "nothing":
            return b""
        case "raw":
            return payload
        case "chunked":
            return size + b"\r\n" + payload + b"\r\n" + last
        case "extension":
            return size + b';a="\r\n";b\r\n' + payload + b"\r\n" + last
        case "trailer":
            return size + b"\r\n" + payload + b"\r\n0\r\nContent-Length: 5\r\nHost: evil.example\r\n\r\n"
        case "hexadecimal 0x":
            return b"0x" + size + b"\r\n" + payload + b"\r\n" + last
        case "leading zeros":
            return b"0" * 20 + size + b"\r\n" + payload + b"\r\n" + last
        case "bare line feeds":
            return size + b"\n" + payload + b"\n0\n\n"
    return size + b" \r\n" + payload + b"\r\n" + last
