"""YAMCP's two files, written as YAMCP-UI writes them, and entries for the servers that tests and bench use."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo_servers"
MOCK = DEMO / "mock" / "server.py"

Providers = dict[str, dict[str, Any]]
Workspaces = dict[str, list[str]]


def stdio(namespace: str, command: str, *args: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """An entry of providers.json for a server that runs as a process."""
    parameters: dict[str, Any] = {"command": command, "args": list(args)}
    if env is not None:
        parameters["env"] = env
    return {"namespace": namespace, "type": "stdio", "providerParameters": parameters}


def remote(namespace: str, url: str) -> dict[str, Any]:
    """An entry of providers.json for a server at a URL."""
    return {"namespace": namespace, "type": "sse", "providerParameters": {"url": url}}


def mock(namespace: str, *flags: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """An entry for the mock server that the project ships, with its flags; a process of its own (see `_own`)."""
    return stdio(namespace, sys.executable, str(MOCK), *flags, env=_own(namespace, env))


def module(namespace: str, name: str, *args: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """An entry for a Python module of this checkout that is a server, such as `bench.echo_server`; see `_own`."""
    entry = stdio(namespace, sys.executable, "-m", name, *args, env=_own(namespace, env))
    entry["providerParameters"]["cwd"] = str(ROOT)
    return entry


def _own(namespace: str, env: dict[str, str] | None) -> dict[str, str]:
    """The hub runs one process for definitions that are the same in all but name: this makes them differ."""
    return {"TEST_SERVER": namespace, **(env or {})}


def write_in_place(path: Path, value: object) -> float:
    """Truncate the file, then write it, as YAMCP-UI does; returns when it was closed (`time.perf_counter`)."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    with path.open("w", encoding="utf-8") as file:
        file.flush()
        file.write(text)
    return time.perf_counter()
