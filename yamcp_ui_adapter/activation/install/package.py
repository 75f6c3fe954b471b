"""What an installer is given and returns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package. `program`: its absolute path, and the arguments before those of the definition."""

    program: tuple[str, ...]
    version: str
    digest: str = ""
    image: str = ""
    """An image with its digest, in which the program runs."""


def within(folder: Path, path: Path) -> bool:
    """Whether a path, its links followed, is below the folder."""
    return path.resolve().is_relative_to(folder.resolve())


def read_object(path: Path) -> dict[str, Any]:
    """The object in a file of JSON; empty if there is none."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
