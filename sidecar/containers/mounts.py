"""Validates the mounts of servers in containers: sources must be below an allowed directory."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bridge.models import Mount
from sidecar.containers.argv import mount_option
from sidecar.containers.errors import MountRefused


def options(mounts: Iterable[Mount], allowed: Iterable[Path], own: Iterable[Path] = ()) -> tuple[str, ...]:
    """The engine's option for each mount, with symbolic links in its source resolved.

    `own`: directories of the hub, which must not be mounted: through them a server could control the hub and so escape
    from its container.

    Raises:
        MountRefused: a source is missing, or its real path is outside the allowed directories, within a directory of
            `own`, or above one.
    """
    roots, kept = _reals(allowed), _reals(own)
    return tuple(mount_option(str(_source(mount, roots, kept)), mount.target, mount.read_only) for mount in mounts)


def _source(mount: Mount, roots: list[Path], kept: list[Path]) -> Path:
    source = _real(Path(mount.source))
    # Check this first, so as not to reveal whether a file exists that may not be mounted.
    within = Path(mount.source) if source is None else source
    if ".." in within.parts or not any(within.is_relative_to(root) for root in roots):
        raise MountRefused(f"{mount.source!r} may not be mounted: it is not below a directory of HUB_CONTAINER_MOUNTS.")
    if source is None:
        raise MountRefused(
            f"{mount.source!r} cannot be mounted: it does not exist.", hint="Create it, or correct `source`."
        )
    if any(source.is_relative_to(directory) or directory.is_relative_to(source) for directory in kept):
        raise MountRefused(f"{mount.source!r} may not be mounted: the hub keeps its own data there.")
    if re.search(r"[,:\x00-\x1f\"]", str(source)):
        raise MountRefused(f"{mount.source!r} cannot be mounted: its real path has a comma, colon, quote or break.")
    return source


def _reals(paths: Iterable[Path]) -> list[Path]:
    return [real for path in paths if (real := _real(path)) is not None]


def _real(path: Path) -> Path | None:
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
