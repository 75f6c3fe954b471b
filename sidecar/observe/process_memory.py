"""Memory use of process trees, from /proc (Linux)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")


def trees(roots: Iterable[int]) -> dict[int, int]:
    """The proportional set size (PSS, proc(5)) in bytes of each root with all its descendants; 0 if it has ended."""
    roots = tuple(roots)
    if not roots:
        return {}
    children = _children()
    return {root: sum(_pss(pid) for pid in _tree(root, children)) for root in roots}


def _children() -> dict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):  # it has ended
                continue
            found[parent].append(int(entry.name))
    return found


def _tree(root: int, children: dict[int, list[int]]) -> list[int]:
    """A process and all its descendants. Not recursive: a server may nest thousands of them."""
    found = [root]
    for pid in found:  # the loop extends the list it iterates over
        found += children.get(pid, ())
    return found


def _pss(pid: int) -> int:
    try:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
