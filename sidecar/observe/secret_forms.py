"""The ways in which one secret value appears in text (pure)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote, quote_plus

import orjson

from bridge.secret_names import SHORTEST

SHORTEST_ALONE = 3
"""Characters of the shortest value that is looked for as a word that stands alone."""
PIECE = 256
"""Characters of the pieces that a longer value is looked for by: a line that is cut may hold a part of it."""
_URL_SAFE = str.maketrans("+/", "-_")


def forms(secret: str) -> frozenset[str]:
    """The value and each line of it: as it is, as in JSON, percent-encoded, in base64 and in hexadecimal.

    Shorter values than `SHORTEST` appear as they are alone; those under `SHORTEST_ALONE` not at all.
    """
    found: set[str] = set()
    for value in {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}:
        if len(value) >= SHORTEST:
            for piece in _pieces(value):
                found.update(_encoded(piece))
        elif len(value) >= SHORTEST_ALONE and value == secret.strip():
            found.add(value)
    return frozenset(found)


def _pieces(value: str) -> Iterator[str]:
    if len(value) < 2 * PIECE:
        yield value
        return
    whole = len(value) // PIECE * PIECE
    yield from (value[at : at + PIECE] for at in range(0, whole, PIECE))
    if whole < len(value):
        yield value[-PIECE:]


def _encoded(value: str) -> Iterator[str]:
    yield value
    with suppress(orjson.JSONEncodeError):  # not UTF-8
        yield orjson.dumps(value)[1:-1].decode()
    for encode in (quote, quote_plus):
        for safe in ("", "/", "!'()*"):  # "!'()*": encodeURIComponent of JavaScript
            percent = encode(value, safe=safe, errors="surrogatepass")
            yield percent
            yield _lower_escapes(percent)
    with suppress(UnicodeEncodeError):
        data = value.encode("utf-8", "surrogateescape")
        yield data.hex()
        yield data.hex().upper()
        yield from _base64(data)


def _lower_escapes(percent: str) -> str:
    first, *rest = percent.split("%")
    return "%".join((first, *(part[:2].lower() + part[2:] for part in rest)))


def _base64(data: bytes) -> Iterator[str]:
    """What base64 makes of the bytes wherever they begin in a longer text; without the characters at both ends that
    depend on what is beside them."""
    for before in range(3):
        text = b64encode(bytes(before) + data).decode()
        certain = text[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]
        yield certain
        yield certain.translate(_URL_SAFE)
