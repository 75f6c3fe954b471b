"""The encodings in which a secret value may appear in text. Pure."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote, quote_plus

import orjson

from bridge.masking.names import SHORTEST

SHORTEST_WORD = 3
"""Characters of the shortest value that is masked, if it is a word of its own."""
PIECE_LENGTH = 256
"""Long values are matched in pieces of so many characters, since a truncated line may hold only a part of one."""
_URL_SAFE = str.maketrans("+/", "-_")


def forms(secret: str) -> frozenset[str]:
    """The encodings of a value and of each of its lines: plain, JSON, percent-encoded, base64, hexadecimal.

    Values shorter than SHORTEST are returned in plain form only, those shorter than SHORTEST_WORD not at all.
    """
    found: set[str] = set()
    for value in {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}:
        if len(value) >= SHORTEST:
            for piece in _pieces(value):
                found.update(_encoded(piece))
        elif len(value) >= SHORTEST_WORD and value == secret.strip():
            found.add(value)
    return frozenset(found)


def _pieces(value: str) -> Iterator[str]:
    if len(value) < 2 * PIECE_LENGTH:
        yield value
        return
    whole = len(value) // PIECE_LENGTH * PIECE_LENGTH
    yield from (value[at : at + PIECE_LENGTH] for at in range(0, whole, PIECE_LENGTH))
    if whole < len(value):
        yield value[-PIECE_LENGTH:]


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
    """The base64 encodings of the bytes within longer data, for each of the three alignments.

    Characters at both ends that also encode bits of neighbouring bytes are left out.
    """
    for before in range(3):
        text = b64encode(bytes(before) + data).decode()
        certain = text[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]
        yield certain
        yield certain.translate(_URL_SAFE)
