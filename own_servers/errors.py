"""Why a file cannot be served. The message is one line, which the hub shows as the reason why the server failed."""

from __future__ import annotations

import traceback
from pathlib import Path


class OwnServerError(Exception):
    """A file, document or argument of the user cannot be used; the message says where and why."""


def of_file(path: Path, error: BaseException) -> OwnServerError:
    """The error for an exception while the file was run: its line in this file, and its type and text."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return OwnServerError(f"{path}:{error.lineno}: {type(error).__name__}: {error.msg}")
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    text = " ".join(str(error).split())
    return OwnServerError(f"{path}{f':{lines[-1]}' if lines else ''}: {type(error).__name__}: {text}")
