"""Heads of requests that nothing can be unclear about, read from the bytes that came. Pure.

At the public port the sidecar serves only these, and gives all others to the front with their connection (ADR 24): what
is listed here is not what is forbidden, but what is known to be harmless. Two servers read such a head in the same way,
and nothing in it is the front's to decide (RFC 9112, 3 to 6; RFC 9110, 7.6.1).
"""

from __future__ import annotations

import re
from typing import NamedTuple

END = b"\r\n\r\n"
LONGEST = 16 * 1024
"""Bytes of a head; the front refuses longer ones."""
MOST_FIELDS = 100
_LINE = re.compile(rb"(GET|POST|DELETE) /mcp/[A-Za-z0-9_/-]+(?:\?[A-Za-z0-9_.~%&=+-]*)? HTTP/1\.1")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)")
_OFTEN = frozenset({b"x-forwarded-for", b"cookie", b"accept", b"accept-encoding", b"accept-language", b"cache-control"})
"""Headers that may be repeated, as their values are lists, or mean nothing here."""
_NOT_PLAIN = frozenset(
    {b"transfer-encoding", b"te", b"trailer", b"upgrade", b"expect", b"http2-settings", b"proxy-connection"}
    | {b"origin", b"sec-fetch-site", b"access-control-request-method"}
)
"""Headers that say more of how the message is to be read or answered, or that a page sends it."""
_LENGTH = re.compile(rb"[0-9]{1,9}")


class PlainHead(NamedTuple):
    """What is to be known of one."""

    length: int
    """Bytes of the body."""
    host: str
    authorization: bytes


def plain_head(head: bytes) -> PlainHead | None:
    """What a head says, its empty line included; None where it is not a plain one, or not for an endpoint."""
    line, *fields = head.removesuffix(END).split(b"\r\n")
    if len(head) > LONGEST or len(fields) > MOST_FIELDS or not _LINE.fullmatch(line) or b"//" in line:
        return None
    found: dict[bytes, bytes] = {}
    for field in fields:
        match = _FIELD.fullmatch(field)
        if match is None:
            return None
        name = match[1].lower()
        if name in _NOT_PLAIN or (name in found and name not in _OFTEN):
            return None
        found[name] = match[2].strip(b" \t")
    if found.get(b"connection", b"close").lower() not in (b"close", b"keep-alive"):
        return None
    length = found.get(b"content-length")
    if (length is not None) is not line.startswith(b"POST ") or not _LENGTH.fullmatch(
        b"0" if length is None else length
    ):
        return None
    host = found.get(b"host", b"").decode("latin-1")
    return PlainHead(int(length or 0), host, found.get(b"authorization", b"")) if host else None


_LINES = (b"POST /mcp/", b"GET /mcp/", b"DELETE /mcp/")


def may_become_plain(beginning: bytes) -> bool:
    """Whether the head that begins so, and has not come whole, may be a plain one."""
    return len(beginning) <= LONGEST and any(
        beginning.startswith(line) or line.startswith(beginning) for line in _LINES
    )
