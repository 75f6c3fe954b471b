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
                stat = (entry / "stat").read_text(errors="replace")
            except OSError:
                continue
            found[int(stat.rpartition(")")[2].split()[1])].append(int(entry.name))
    return found


def _tree(root: int, children: dict[int, list[int]]) -> Iterable[int]:
    yield root
    for child in children.get(root, ()):
        yield from _tree(child, children)


def _pss(pid: int) -> int:
    try:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
