"""The address of a PostgreSQL database, as it may be shown. Pure."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

SCHEMES = ("postgresql", "postgres")


def target(url: str, setting: str) -> str:
    """What an address names, without user and password: `host:port/database`; else from which setting it is."""
    unknown = f"of {setting}"
    try:
        parts = urlsplit(url)
        if "@" in url.partition(parts.netloc)[2]:  # a `/`, `?` or `#` in the password, which has to be `%2F` and so on
            return unknown
        query = parse_qs(parts.query)
        host = parts.hostname or query.get("host", ["localhost"])[0]
        port = parts.port or query.get("port", ["5432"])[0]
    except ValueError:
        return unknown
    return f"{host}:{port}{parts.path}"
