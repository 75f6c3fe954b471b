"""The file that `hubctl import` is given."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hubctl.errors import ArgumentsInvalid
from hubctl.run.node import ask_node

LARGEST = 4 * 1024 * 1024
"""Bytes of a file that are read; a configuration has some thousand."""


async def read_import(file: str) -> dict[str, Any]:
    """The configuration in a file, or on stdin for `-`: JSON with comments, TOML, YAML; also in a Markdown code block.

    Raises:
        ArgumentsInvalid: it cannot be read.
        RemoteError: BODY_INVALID, with line and column in the message, when it is none of these.
        NodeMissing, FrontNotInstalled: what reads it cannot be run.
    """
    config: dict[str, Any] = (await ask_node("read_import.mjs", _text(file)))["config"]
    return config


def _text(file: str) -> str:
    try:
        raw = sys.stdin.buffer.read(LARGEST + 1) if file == "-" else _bytes(Path(file))
        if len(raw) > LARGEST:
            raise ArgumentsInvalid(f"{file} is larger than {LARGEST >> 20} MiB.", hint="Name the client's own file.")
        return raw.decode("utf-8")
    except OSError as error:
        raise ArgumentsInvalid(
            f"{file} cannot be read: {error.strerror}.", hint="Name a file, or - for stdin."
        ) from None
    except UnicodeDecodeError:
        raise ArgumentsInvalid(f"{file} is not text in UTF-8.") from None


def _bytes(path: Path) -> bytes:
    with path.expanduser().open("rb") as opened:
        return opened.read(LARGEST + 1)
