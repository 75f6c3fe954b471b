"""Numbers among the arguments of hubctl, for argparse. Pure."""

from __future__ import annotations

import argparse


def lines(text: str) -> int:
    """A number of log lines."""
    return _whole(text, 5000)


def most(text: str) -> int:
    """A number of entries of a list."""
    return _whole(text, 1000)


def records(text: str) -> int:
    """A number of records of the history."""
    return _whole(text, 100_000)


def _whole(text: str, most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"not a number from 1 to {most}")
    return int(text)


def seconds(text: str) -> float:
    """A number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError("not a number of seconds over 0, up to 3600")
    return value
