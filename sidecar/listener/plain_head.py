"""Parses the heads of plain requests: ordinary ones to a workspace's endpoint, without any ambiguity. Pure.

At the public port the sidecar serves only plain requests. It gives all others back with their connection, and the
front serves them (ADR 24). This is a list of what is known to be harmless: any two servers read such a head in the same
way, and the front has nothing to decide about it (RFC 9112, 3 to 6; RFC 9110, 7.6.1).
"""

from __future__ import annotations

import re
from typing import NamedTuple

HEAD_END = b"\r\n\r\n"
MAX_HEAD_BYTES = 16 * 1024
"""Longest head, in bytes; the front refuses longer ones."""
MAX_FIELDS = 100
_LINE = re.compile(rb"(GET|POST|DELETE) /mcp/[A-Za-z0-9_/-]+(?:\?[A-Za-z0-9_.~%&=+-]*)? HTTP/1\.1")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)")
_REPEATABLE = frozenset(
    {b"x-forwarded-for", b"cookie", b"accept", b"accept-encoding", b"accept-language", b"cache-control"}
)
"""Headers that may be repeated, because their values are lists or have no meaning here."""
_EXCLUDED = frozenset(
    {b"transfer-encoding", b"te", b"trailer", b"upgrade", b"expect", b"http2-settings", b"proxy-connection"}
    | {b"origin", b"sec-fetch-site", b"access-control-request-method"}
)
"""Headers that change how the message is read or answered, or that web pages send."""
_OF_REPLICAS = (b"POST /mcp/_replica/logs HTTP/1.1", b"POST /mcp/replicas/placed HTTP/1.1")
_LENGTH = re.compile(rb"[0-9]{1,9}")


class PlainHead(NamedTuple):
    """The values of a plain head that the public port needs."""

    length: int
    """The length of the body in bytes."""
    host: str
    authorization: bytes
    of_replica: bool = False
    """Whether it may be a replica's own question, or channel to a server, which has no credential of a client."""


def plain_head(head: bytes) -> PlainHead | None:
    """Parse a head with its empty line; None if it is not plain, or not for a workspace's endpoint."""
    line, *fields = head.removesuffix(HEAD_END).split(b"\r\n")
    if len(head) > MAX_HEAD_BYTES or len(fields) > MAX_FIELDS or not _LINE.fullmatch(line) or b"//" in line:
        return None
    found: dict[bytes, bytes] = {}
    for field in fields:
        match = _FIELD.fullmatch(field)
        if match is None:
            return None
        name = match[1].lower()
        if name in _EXCLUDED or (name in found and name not in _REPEATABLE):
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
    of_replica = line in _OF_REPLICAS
    return PlainHead(int(length or 0), host, found.get(b"authorization", b""), of_replica) if host else None


_LINES = (b"POST /mcp/", b"GET /mcp/", b"DELETE /mcp/")


def may_become_plain(beginning: bytes) -> bool:
    """Whether an incomplete head, of which this is the beginning, may be a plain one."""
    return len(beginning) <= MAX_HEAD_BYTES and any(
        beginning.startswith(line) or line.startswith(beginning) for line in _LINES
    )
