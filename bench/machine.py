"""The machine that figures were measured on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("fastmcp", "mcp", "uvicorn", "uvloop", "pyzmq")


def describe() -> dict[str, str]:
    """What a reader needs to compare figures with those of another machine."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": f"{_cpu_model()}, {os.cpu_count()} cores",
        "memory": f"{memory:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "node": _output("node", "--version"),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "commit": _output("git", "rev-parse", "--short", "HEAD"),
        "load": f"{load()} when begun",
    }


def load() -> str:
    """How many processes want to run, mean of the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "none"
