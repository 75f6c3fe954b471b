"""Read the file that `hubctl import` is given."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hubctl.errors import ArgumentsInvalid
from hubctl.run.node import ask_node

MAX_FILE_BYTES = 4 * 1024 * 1024
"""Maximum number of bytes that are read of a file; a configuration has a few thousand."""


async def read_import(file: str) -> dict[str, Any]:
    """Read a configuration from a file, or from stdin for `-`: JSON with comments, TOML, YAML, or a Markdown code
    block.

    Raises:
        ArgumentsInvalid: the file is unreadable.
        RemoteError: BODY_INVALID, with line and column in the message, if the text is in none of these formats.
        NodeMissing, FrontNotInstalled: the parser, which runs on Node, cannot be started.
    """
    config: dict[str, Any] = (await ask_node("read_import.mjs", read_text(file)))["config"]
    return config


def read_text(file: str) -> str:
    """Return the text of a file, or of stdin for `-`. Raises ArgumentsInvalid: it is unreadable, or too large."""
    try:
        raw = sys.stdin.buffer.read(MAX_FILE_BYTES + 1) if file == "-" else _bytes(Path(file))
        if len(raw) > MAX_FILE_BYTES:
            raise ArgumentsInvalid(
                f"{file} is larger than {MAX_FILE_BYTES >> 20} MiB.", hint="Name the client's own file."
            )
        return raw.decode("utf-8")
    except OSError as error:
        raise ArgumentsInvalid(
            f"{file} cannot be read: {error.strerror}.", hint="Name a file, or - for stdin."
        ) from None
    except UnicodeDecodeError:
        raise ArgumentsInvalid(f"{file} is not text in UTF-8.") from None


def _bytes(path: Path) -> bytes:
    with path.expanduser().open("rb") as opened:
        return opened.read(MAX_FILE_BYTES + 1)
