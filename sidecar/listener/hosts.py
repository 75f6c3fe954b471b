"""The host in a Host or Origin header (RFC 9110, 7.2; RFC 3986, 3.2.2; RFC 6454, 7), read strictly. Pure.

The front's origin.mjs reads them in the same way; tests/support/hosts.json has what both must agree on.
"""

from __future__ import annotations

import re
from functools import lru_cache

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:/?#@[\]\\]+))(?::([0-9]{1,5}))?", re.IGNORECASE)
_ORIGIN = re.compile(r"(https?)://(.+)", re.IGNORECASE)
DEFAULT_PORTS = {"http": 80, "https": 443}
_HIGHEST_PORT = 65535


@lru_cache(maxsize=256)
def host_and_port(host: str) -> tuple[str, int | None]:
    """Name or address, in lower case and without brackets, and port of a Host header; ("", None) if it is malformed."""
    match = _HOST.fullmatch(host)
    if match is None or int(match[3] or 0) > _HIGHEST_PORT:
        return "", None
    return (match[1] or match[2]).lower(), int(match[3]) if match[3] else None


@lru_cache(maxsize=256)
def origin_and_port(origin: str) -> tuple[str, int | None]:
    """Host and port of an Origin header, by default the port of its scheme; ("", None) if it is not http(s)."""
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        return "", None
    name, port = host_and_port(match[2])
    return name, port or DEFAULT_PORTS[match[1].lower()]
