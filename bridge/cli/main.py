"""Where hubctl was before it moved to `hubctl/`: `.venv/bin/hubctl` of an older installation still looks here."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Become hubctl of this checkout, which the older installation does not find, nor what hubctl starts."""
    paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    os.execv(sys.executable, [sys.executable, "-P", "-m", "hubctl", *sys.argv[1:]])  # noqa: S606  # no shell is wanted
