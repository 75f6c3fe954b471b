"""What a stdio server finds in its environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping

INHERITED = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""The hub's variables that every server gets. The others stay here: they may hold secrets of other servers."""


def child_environment(
    configured: Mapping[str, str], pass_env: Iterable[str] = (), hub: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The inherited variables, those named in `pass_env`, and the configured ones, which win.

    The directory of the hub's own Python ends the PATH, so that `python` and what was installed with the hub are
    found however the hub was started.
    """
    source = os.environ if hub is None else hub
    found = {name: source[name] for name in (*INHERITED, *pass_env) if name in source}
    # Exported shell functions are code that a shell in the server would run.
    found = {name: value for name, value in found.items() if not value.startswith("()")}
    found["PATH"] = _with_own_directory(found.get("PATH") or os.defpath)
    return {**found, **configured}


def _with_own_directory(path: str) -> str:
    own = os.path.dirname(sys.executable)  # noqa: PTH120 - a string among strings
    return path if own in path.split(":") else f"{path}:{own}"
