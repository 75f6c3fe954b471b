"""Explains a remote server's 401: parses the `WWW-Authenticate` challenge (RFC 6750; RFC 9728, section 5.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_MAX_HEADER = 4096
"""Characters of the header that are parsed."""
_MAX_URL = 300
_SECRET_SEGMENT = 16
"""Length from which on a path segment of the configured URL may be a token and is masked."""
_METADATA = re.compile(r'\bresource_metadata\s*=\s*(?:"([^"]*)"|([^\s,"]+))', re.I)
_ERROR = re.compile(r'\berror\s*=\s*"?([a-z_]{1,40})\b', re.I)
_SCHEME = re.compile(r"(?:^|,)\s*(bearer|basic|digest|negotiate)\b", re.I)

HOW_TO_CONFIGURE = (
    'put it into `headers` of the server: {"Authorization": "Bearer ${TOKEN}"}, with TOKEN in the environment that '
    "starts the hub."
)


@dataclass(frozen=True, slots=True)
class Challenge:
    """Error texts for a 401. `text` continues the sentence that states the status; it may be empty."""

    text: str
    hint: str
    metadata: str = ""
    """The URL of the protected resource metadata (RFC 9728), without secrets; empty if the server names none."""


def challenge(header: str, url: str, authorized: bool) -> Challenge:
    """Explain the `WWW-Authenticate` header of a server at `url`. `authorized`: the request had credentials."""
    header = header[:_MAX_HEADER]
    metadata = _shown(header, url)
    scheme = found[1].lower() if (found := _SCHEME.search(header)) else ""
    error = found[1].lower() if (found := _ERROR.search(header)) else ""
    if authorized:
        why = f" ({error})" if error else ""
        text = f": it does not accept the configured credentials{why}"
        hint = f"They may have expired or be for another server. Get a new token and {HOW_TO_CONFIGURE}"
    elif metadata or scheme == "bearer":
        text = ": it wants an OAuth access token" if metadata else ": it wants a bearer token"
        hint = f"Set `sign_in` of the server to have the hub sign in, or get a token and {HOW_TO_CONFIGURE}"
    elif scheme:
        text = f": it wants credentials ({scheme.capitalize()})"
        hint = "Put the credentials into the header `Authorization` in `headers` of the server."
    else:
        text, hint = "", f"If the server wants a token, {HOW_TO_CONFIGURE}"
    if metadata:
        text += f"; {metadata} says who issues tokens"
    return Challenge(text, hint, metadata)


def _shown(header: str, url: str) -> str:
    """The metadata's URL without userinfo, query and fragment, and without tokens from the configured URL's path."""
    found = _METADATA.search(header)
    value = (found[1] or found[2] or "") if found else ""
    if not value or len(value) > _MAX_URL or not value.isascii() or not value.isprintable() or " " in value:
        return ""
    try:
        parts, own = urlsplit(value), urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    secret = {segment for segment in own.path.split("/") if len(segment) >= _SECRET_SEGMENT}
    path = "/".join("***" if segment in secret else segment for segment in parts.path.split("/"))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"
