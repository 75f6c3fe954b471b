"""The test vectors of the protocol, which a client in another language uses too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bridge

VECTORS = Path(bridge.__file__).parent / "vectors"


def load(name: str) -> list[dict[str, Any]]:
    """The vectors in `bridge/vectors/<name>.json`."""
    return json.loads((VECTORS / f"{name}.json").read_text())


def title(vector: dict[str, Any]) -> str:
    """A vector's name as a test's id."""
    return "-".join(str(vector[key]) for key in ("kind", "part", "name") if key in vector).replace(" ", "_")


def raw(vector: dict[str, Any]) -> bytes:
    """The bytes of an envelope: from `text` or `hex`, with spaces up to `pad_to` bytes."""
    data = bytes.fromhex(vector["hex"]) if "hex" in vector else vector["text"].encode()
    return data.ljust(vector.get("pad_to", 0))
