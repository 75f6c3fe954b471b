"""What an installer is given and returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
