"""Writes the demo workspace on the very first start, if YAMCP has no files yet."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from bridge.private import write_file
from yamcp_ui_adapter.errors import DataDirUnusable
from yamcp_ui_adapter.format.entries import PROVIDERS, WORKSPACES

log = logging.getLogger(__name__)

MARKER = "seeded"
DEMO = Path(__file__).resolve().parents[1] / "demo_servers"
SERVERS = ("notes", "clock")


def seed(yamcp_dir: Path, data_dir: Path, wanted: bool) -> bool:
    """Write the demo if this is the first start and neither file exists; return whether it was written.

    Raises:
        DataDirUnusable: a file cannot be written.
    """
    marker = data_dir / MARKER
    if marker.exists():
        return False
    providers, workspaces = yamcp_dir / PROVIDERS, yamcp_dir / WORKSPACES
    first = wanted and not providers.exists() and not workspaces.exists()
    try:
        write_file(marker, b"The first start is over: the hub never writes its demo again.\n")
        if first:
            write_file(providers, to_yamcp_json({name: _server(name) for name in SERVERS}))
            write_file(workspaces, to_yamcp_json({"demo": list(SERVERS)}))
    except OSError as error:
        raise DataDirUnusable(f"{error.filename or data_dir}: {error.strerror}.") from None
    if first:
        log.info("created the demo workspace", extra={"directory": str(yamcp_dir)})
    return first


def to_yamcp_json(content: dict[str, Any]) -> bytes:
    """Serialize as YAMCP writes its files: like `JSON.stringify(content, null, 2)`."""
    return json.dumps(content, indent=2, ensure_ascii=False).encode()


def _server(name: str) -> dict[str, Any]:
    parameters = {"command": sys.executable, "args": [str(DEMO / f"{name}.py")]}
    return {"namespace": name, "type": "stdio", "providerParameters": parameters}
