"""Redirect URIs: which ones a client may register, which one it may ask for, and what users are shown of them. Pure."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
FORBIDDEN_SCHEMES = frozenset(
    {"about", "blob", "data", "file", "filesystem", "ftp", "javascript", "mailto", "tel", "vbscript", "view-source"}
    | {"ws", "wss"}
)
"""Schemes that no client has as its own, some of which browsers run as programs."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_VISIBLE = re.compile(r"[!-~]+")


def redirect_fault(uri: str) -> str:
    """Return why a client may not register a redirect URI; empty if it may.

    Allowed are https:// with a host, http:// on loopback (RFC 8252, section 7.3), and schemes of native applications
    (`cursor://…`, section 7.1).
    """
    parts = _split(uri)
    if parts is None or not _VISIBLE.fullmatch(uri) or "\\" in uri or not _SCHEME.fullmatch(parts.scheme):
        return "it is not an absolute URI"
    faults = {
        "it has a fragment": "#" in uri,
        "it has a user name": "@" in parts.netloc,
        f"its scheme is {parts.scheme}": parts.scheme in FORBIDDEN_SCHEMES,
        "it has no host": parts.scheme == "https" and not parts.hostname,
        "http:// is for loopback addresses only": parts.scheme == "http" and parts.hostname not in LOOPBACK,
    }
    return next((fault for fault, found in faults.items() if found), "")


def is_registered(uri: str, registered: tuple[str, ...]) -> bool:
    """Whether a client may ask for a redirect URI: one that it registered, exactly; on loopback, any port of it
    (RFC 8252, section 7.3).
    """
    if redirect_fault(uri):
        return False
    return uri in registered or any(_same_but_for_port(uri, each) for each in registered)


def same_resource(one: str, other: str) -> bool:
    """Whether two resources (RFC 8707) are one endpoint. A workspace has two addresses, one of which ends in `/sse`,
    and some clients add a slash to what was typed.
    """
    return _endpoint(one) == _endpoint(other)


def _endpoint(resource: str) -> str:
    return resource.removesuffix("/").removesuffix("/sse")


def redirect_host(uri: str) -> str:
    """What users are shown of a redirect URI: the host and port; of a native application's, its scheme first."""
    parts = _split(uri)
    if parts is None:
        return ""
    if parts.scheme in ("http", "https"):
        return parts.netloc
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def _same_but_for_port(uri: str, registered: str) -> bool:
    one, other = _split(uri), _split(registered)
    if one is None or other is None or one.scheme != "http" or one.hostname not in LOOPBACK:
        return False
    return (one.scheme, one.hostname, one.path, one.query) == (other.scheme, other.hostname, other.path, other.query)


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        _ = parts.port  # raises ValueError for one that is no number
    except ValueError:
        return None
    return parts
