"""Find files and directories of the hub that users other than its own may read or change."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from bridge.settings import Settings, settings_file
from hubctl.errors import PathTooOpen

READ, WRITE = 0o044, 0o022


class OpenPath(NamedTuple):
    """A path with permissions that are too open, and the severity."""

    level: Literal["warning", "error"]
    path: Path
    error: PathTooOpen


class _Rule(NamedTuple):
    path: Path
    allowed: int
    """Permission bits of group and others that are acceptable."""
    bad: int = READ | WRITE
    """Permission bits that are an error; all others that are not allowed are a warning."""


def open_paths(settings: Settings) -> Iterator[OpenPath]:
    """Return the paths that are too open. A directory of mode 0700 protects its contents, such as the logs."""
    seen: set[Path] = set()
    for rule in _rules(settings):
        if rule.path in seen:
            continue
        seen.add(rule.path)
        try:
            found = rule.path.stat()
        except OSError:
            continue
        if rights := found.st_mode & 0o077 & ~rule.allowed:
            own = found.st_uid == os.geteuid()
            level: Literal["warning", "error"] = "error" if own and rights & rule.bad else "warning"
            yield OpenPath(level, rule.path, _error(rule.path, found, rights))


def _rules(settings: Settings) -> Iterator[_Rule]:
    data = settings.data_dir
    for directory in (data, settings.runtime, data / "logs", data / "backups"):
        yield _Rule(directory, allowed=0, bad=WRITE)
    yield _Rule(settings.yamcp_dir, allowed=0o055)
    for name in (
        "keys.json",
        "credentials.jsonl",
        "credentials.unsent.json",
        "hub.json",
        "access.json",
        "access.applied.json",
        "adapter-state.json",
        "applied.json",
        "fingerprint.key",
        "cookie.key",
    ):
        yield _Rule(data / name, allowed=0)
    for secret in (settings.own_token_file, settings.token_file, settings.front_key_file, settings_file()):
        if secret:
            yield _Rule(secret, allowed=0)
    if settings.tls_key:
        yield _Rule(settings.tls_key, allowed=0o040)  # of a group that may read keys, as Debian has one
    yield _Rule(settings.yamcp_dir / "providers.json", allowed=0, bad=WRITE)  # YAMCP-UI makes it readable by all
    yield _Rule(settings.yamcp_dir / "workspaces.json", allowed=READ)
    for copy in sorted((data / "backups").glob("*")):
        yield _Rule(copy, allowed=0)


def _error(path: Path, found: os.stat_result, rights: int) -> PathTooOpen:
    whom = "everybody" if rights & 0o007 else "its group"
    may = "change" if rights & WRITE else "read" if rights & READ else "enter"
    message = f"{whom} on this machine may {may} it (mode {stat.S_IMODE(found.st_mode):04o})."
    if found.st_uid != os.geteuid():
        message += f" It belongs to user {found.st_uid}, who has to change that."
    kept = "g=r,o=" if stat.S_ISREG(found.st_mode) and rights & 0o070 == 0 and found.st_mode & 0o040 else "go="
    return PathTooOpen(message, hint=f"chmod {kept} {shlex.quote(str(path))}")
