"""What is scanned, and what SBOMs are made of: images of contained servers, and installed packages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import orjson

from bridge.models import ServerSpec, StdioLaunch
from sidecar.containers.engine import Engine
from sidecar.containers.errors import ScanFailed

ARCHIVE = ".scan-{}.tar"


@dataclass(frozen=True, slots=True)
class Target:
    """What can be scanned. `key`: what results are kept by, an image's id or a package's integrity."""

    subject: str
    name: str
    key: str
    engine: Engine | None = None
    folder: Path | None = None
    kind: str = "image"
    """`image`, `npm`, `pypi` or `mcpb`."""
    digest: str = ""
    """What identifies it for others: `NAME@sha256:...` of an image, the integrity of a package; empty: unknown."""


def subject_of(spec: ServerSpec) -> str | None:
    """What is scanned for a server: its image, or else its installed package, if it has one."""
    if not isinstance(spec.launch, StdioLaunch):
        return None
    return f"image:{spec.settings.container.image}" if spec.settings.container else f"package:{spec.key}"


def packages(data_dir: Path) -> Iterable[Target]:
    """The packages that the catalogue has installed in folders of the hub's own."""
    with suppress(OSError, ValueError, TypeError, LookupError, AttributeError):
        content = orjson.loads((data_dir / "servers/installed.json").read_bytes())
        for key, record in content["servers"].items():
            now = record["now"]
            if now.get("folder"):
                yield Target(
                    f"package:{key}",
                    f"{record['name']} {now['version']}",
                    now.get("digest") or f"{key} {now['folder']}",
                    folder=data_dir / now["folder"],
                    kind=str(record.get("kind", "")),
                    digest=str(now.get("digest", "")),
                )


@asynccontextmanager
async def readable_place(target: Target, data_dir: Path) -> AsyncIterator[str]:
    """The folder of a package, or an archive of an image, which exists during the context. Raises ScanFailed."""
    if target.engine is None:
        yield str(target.folder)
        return
    archive = data_dir / ARCHIVE.format(uuid4().hex)
    try:
        if not await target.engine.save(target.key, str(archive)):
            raise ScanFailed("The engine could not write the image to a file.")
        yield str(archive)
    finally:
        archive.unlink(missing_ok=True)


def remove_archives(data_dir: Path) -> None:
    """Remove what a hub left that was killed."""
    for left in data_dir.glob(ARCHIVE.format("*")):
        left.unlink(missing_ok=True)
