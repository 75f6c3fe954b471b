"""Runs demo_servers/notes.py: users' providers.json names it by this path, which an older first start wrote there."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).resolve().parents[2] / "demo_servers" / "notes.py"), run_name="__main__")
