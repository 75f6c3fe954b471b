"""The environment of stdio servers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping

INHERITED = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""The hub's variables that every server inherits. Others may hold secrets and are not inherited."""


def child_environment(
    configured: Mapping[str, str], pass_env: Iterable[str] = (), hub: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The inherited variables, those named in `pass_env`, and the configured ones, which take precedence.

    The directory of the hub's Python is appended to the PATH, so that `python` and programs that were installed with
    the hub are found however the hub was started. `hub`: the hub's environment, by default that of this process.
    """
    source = os.environ if hub is None else hub
    found = {name: source[name] for name in (*INHERITED, *pass_env) if name in source}
    # Leave out exported shell functions (bash): they are code that a shell in the server would run.
    found = {name: value for name, value in found.items() if not value.startswith("()")}
    found["PATH"] = _with_own_directory(found.get("PATH") or os.defpath)
    return {**found, **configured}


def _with_own_directory(path: str) -> str:
    own = os.path.dirname(sys.executable)  # noqa: PTH120 - PATH needs a string
    return path if own in path.split(":") else f"{path}:{own}"
