"""What the user's code prints goes to stderr, and so into the hub's log: stdout carries MCP's messages."""

from __future__ import annotations

import io
import sys
from typing import BinaryIO


class PrintsToStderr(io.TextIOBase):
    """Takes the place of `sys.stdout`. Its `buffer` is still the real one, over which the SDK writes messages."""

    def __init__(self, buffer: BinaryIO) -> None:
        self.buffer = buffer

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Write a text to stderr."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Flush stderr."""
        sys.stderr.flush()
