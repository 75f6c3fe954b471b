"""`python -m recorder`: runs the recorder as a process, at low priority."""

from __future__ import annotations

import os
import sys

NICENESS = 15
"""Added to the process's niceness: the hub's start and clients' calls come first, while records wait in the spool."""


def main() -> int:
    """Lower the priority, then import and run the recorder; return the exit status."""
    os.nice(NICENESS)
    from recorder.app import run_process  # noqa: PLC0415  # importing takes longest, and is to be at low priority

    return run_process()


if __name__ == "__main__":
    sys.exit(main())
