"""The host in a Host or Origin header (RFC 9110, 7.2; RFC 3986, 3.2.2; RFC 6454, 7), read strictly. Pure.

The front's origin.mjs reads them in the same way; tests/support/hosts.json has what both must agree on.
"""

from __future__ import annotations

import re
from functools import lru_cache

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:/?#@[\]\\]+))(?::([0-9]{1,5}))?", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://(.+)", re.IGNORECASE)
_HIGHEST_PORT = 65535


@lru_cache(maxsize=256)
def hostname(host: str) -> str:
    """The name or address in a Host header, in lower case and without brackets; empty where the header is malformed."""
    match = _HOST.fullmatch(host)
    if match is None or int(match[3] or 0) > _HIGHEST_PORT:
        return ""
    return (match[1] or match[2]).lower()


def origin_host(origin: str) -> str:
    """The same of an Origin header; empty where it is not one of HTTP."""
    match = _ORIGIN.fullmatch(origin)
    return hostname(match[1]) if match else ""
