"""Runs demo_servers/mock/server.py: docs/mock-server.md told users to name it by this path in providers.json."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).resolve().parents[2] / "demo_servers" / "mock" / "server.py"), run_name="__main__")
