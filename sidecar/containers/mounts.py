"""What contained servers may see of the host: nothing but what is below a directory of the allow-list."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bridge.models import Mount
from sidecar.containers.argv import mount_option
from sidecar.containers.errors import MountRefused


def options(mounts: Iterable[Mount], allowed: Iterable[Path], own: Iterable[Path] = ()) -> tuple[str, ...]:
    """The engine's option of each mount, with what its source really is: links are followed here, and not again.

    `own`: directories of the hub, by way of which a server could steer it, and so leave its container.

    Raises:
        MountRefused: a source is missing, or it, or where its links lead, is outside the allowed directories, or has
            to do with the hub's own.
    """
    roots, kept = _reals(allowed), _reals(own)
    return tuple(mount_option(str(_source(mount, roots, kept)), mount.target, mount.read_only) for mount in mounts)


def _source(mount: Mount, roots: list[Path], kept: list[Path]) -> Path:
    source = _real(Path(mount.source))
    # Whether it is there is nobody's business who may not mount it.
    within = Path(mount.source) if source is None else source
    if ".." in within.parts or not any(within.is_relative_to(root) for root in roots):
        raise MountRefused(f"{mount.source!r} may not be mounted: it is not below a directory of HUB_CONTAINER_MOUNTS.")
    if source is None:
        raise MountRefused(f"{mount.source!r} cannot be mounted: it is not there.", hint="Create it, or correct it.")
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
