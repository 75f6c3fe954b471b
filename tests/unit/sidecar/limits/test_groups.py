"""Control groups, in a directory that plays cgroupfs; tests/integration/spawner/test_limits.py uses real ones."""

import os
from pathlib import Path

import pytest

from sidecar.limits import groups
from sidecar.limits.groups import LEAF, Group, Groups, Unusable, delegated_group, own_group
from sidecar.limits.limits import MEMORY, PIDS, Limits
from sidecar.spawner.server import Server

pytestmark = pytest.mark.outside
V2 = "25 30 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
HYBRID = (
    "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "40 24 0:36 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
)


@pytest.mark.parametrize(
    ("membership", "mounts", "group"),
    [
        ("0::/user.slice/a.service\n", V2, "/sys/fs/cgroup/user.slice/a.service"),
        ("0::/\n", V2, "/sys/fs/cgroup"),
        ("4:memory:/x\n0::/\n", HYBRID, "/sys/fs/cgroup/unified"),
        ("0::/docker/1/a\n", V2.replace(" / /sys", " /docker/1 /sys"), "/sys/fs/cgroup/a"),
        ("0::/docker/1\n", V2.replace(" / /sys", " /docker/1 /sys"), "/sys/fs/cgroup"),
    ],
)
def test_own_group(membership: str, mounts: str, group: str) -> None:
    """The directory of the process's group: the place in the mounted part of the hierarchy."""
    assert own_group(membership, mounts) == group


@pytest.mark.parametrize(
    ("membership", "mounts"),
    [
        ("4:memory:/x\n", HYBRID),
        ("0::/a\n", ""),
        ("0::/docker/12/a\n", V2.replace(" / /sys", " /docker/1 /sys")),
        ("0::/../b\n", V2.replace(" / /sys", " /c /sys")),
    ],
)
def test_no_own_group(membership: str, mounts: str) -> None:
    """There is none without cgroup v2, and none that is mounted elsewhere."""
    with pytest.raises(Unusable, match="version 2"):
        own_group(membership, mounts)


def test_only_a_delegated_group_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd's mark, or the root of a container, in which the hub may write; an earlier spawner's leaf counts."""
    (tmp_path / "cgroup.procs").touch()
    (tmp_path / "cgroup.subtree_control").touch()
    marks: dict[tuple[str, str], bytes] = {}

    def getxattr(path: str, name: str) -> bytes:
        if (path, name) not in marks:
            raise OSError(61, "No data available")
        return marks[path, name]

    monkeypatch.setattr(groups.os, "getxattr", getxattr)
    with pytest.raises(Unusable, match="is not delegated to the hub"):
        delegated_group(str(tmp_path), mounted_root=False)
    assert delegated_group(str(tmp_path), mounted_root=True) == str(tmp_path)
    marks[str(tmp_path), "user.delegate"] = b"1"
    assert delegated_group(str(tmp_path / LEAF), mounted_root=False) == str(tmp_path)
    (tmp_path / "cgroup.procs").unlink()
    with pytest.raises(Unusable, match="may not write"):
        delegated_group(str(tmp_path), mounted_root=False)


class Tree:
    """A directory that plays a delegated control group with processes in it."""

    def __init__(self, path: Path, controllers: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.written: list[tuple[str, str]] = []
        self.refused: set[str] = set()
        for name in ("cgroup.procs", "cgroup.type", "cgroup.subtree_control"):
            (path / name).write_text("")
        (path / "cgroup.controllers").write_text(controllers)
        (path / "cgroup.procs").write_text("1\n7\n")
        self._real_rmdir = os.rmdir
        monkeypatch.setattr(groups, "_write", self._write)
        monkeypatch.setattr(groups.os, "rmdir", self._rmdir)

    def _write(self, path: str, text: str) -> None:
        place = str(Path(path).relative_to(self.path))
        if place in self.refused or text in self.refused:
            raise OSError(16, "Device or resource busy")
        self.written.append((place, text))
        if place == f"{LEAF}/cgroup.procs" and text != "0":
            procs = self.path / "cgroup.procs"
            procs.write_text("".join(f"{pid}\n" for pid in procs.read_text().split() if pid != text))

    def _rmdir(self, path: str) -> None:
        for file in Path(path).iterdir():
            file.unlink()
        self._real_rmdir(path)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A group with all controllers and two processes."""
    return Tree(tmp_path, "cpuset cpu io memory pids", monkeypatch)


def test_processes_make_room(tree: Tree) -> None:
    """The hub's processes move to a leaf before the controllers are passed on."""
    found = Groups(str(tree.path), "hub-1-")
    assert found.controllers == {"memory", "pids", "cpu"}
    assert tree.written == [
        (f"{LEAF}/cgroup.procs", "1"),
        (f"{LEAF}/cgroup.procs", "7"),
        *(("cgroup.subtree_control", f"+{name}") for name in ("memory", "pids", "cpu")),
    ]


def test_the_root_of_all_groups_keeps_its_processes(tree: Tree) -> None:
    """It may have processes and controllers at once."""
    (tree.path / "cgroup.type").unlink()
    Groups(str(tree.path), "hub-1-")
    assert {place for place, _ in tree.written} == {"cgroup.subtree_control"}


@pytest.mark.parametrize(
    ("controllers", "refused", "words"),
    [
        ("cpuset io", (), "has none of the controllers"),
        ("memory pids", ("+memory", "+pids"), "cannot be passed on"),
        ("memory", (f"{LEAF}/cgroup.procs",), "cannot be moved"),
    ],
)
def test_unusable(tree: Tree, controllers: str, refused: tuple[str, ...], words: str) -> None:
    """Each is said with the group."""
    (tree.path / "cgroup.controllers").write_text(controllers)
    tree.refused.update(refused)
    with pytest.raises(Unusable, match=words):
        Groups(str(tree.path), "hub-1-")


def made(tree: Tree) -> Group:
    """The group of a server."""
    group = Groups(str(tree.path), "hub-1-").create("x")
    assert group
    (Path(group.path) / "pids.events").write_text("max 0\n")
    (Path(group.path) / "memory.events").write_text("low 0\nmax 9\noom 1\noom_kill 0\n")
    tree.written.clear()
    return group


def test_limits_are_written(tree: Tree) -> None:
    """Only those that there are, and with whole units; a limit that was hit is seen."""
    group = made(tree)
    group.enter()
    group.leave()
    group.limit(Limits(memory=1 << 20, pids=5, cpus=1.5))
    assert tree.written == [
        ("hub-1-x/cgroup.procs", "0"),
        (f"{LEAF}/cgroup.procs", "0"),
        ("hub-1-x/memory.oom.group", "1"),
        ("hub-1-x/memory.swap.max", "0"),
        ("hub-1-x/memory.max", "1048576"),
        ("hub-1-x/cpu.max", "150000 100000"),
        ("hub-1-x/pids.max", "5"),
    ]
    assert [group.exceeded(kind) for kind in (MEMORY, PIDS)] == [False, False]
    (Path(group.path) / "pids.events").write_text("max 3\n")
    (Path(group.path) / "memory.events").write_text("low 0\noom_kill 1\n")
    assert [group.exceeded(kind) for kind in (MEMORY, PIDS)] == [True, True]
    assert group.remove()
    assert not Path(group.path).exists()


def test_a_group_without_the_memory_controller(tree: Tree) -> None:
    """Some systems have none (Raspberry Pi OS): a server whose memory is limited otherwise, and that a signal ends, has
    no count of the system's there."""
    (tree.path / "cgroup.controllers").write_text("cpu pids")
    group = made(tree)
    (Path(group.path) / "memory.events").unlink()
    one = Server(1, 2, "x", Limits(memory=1 << 20, pids=5), group)
    assert one.watches(MEMORY)
    assert not one.out_of_memory()
    (Path(group.path) / "pids.events").unlink()
    assert not group.exceeded(PIDS)


def test_a_spawner_that_cannot_leave_is_not_limited(tree: Tree) -> None:
    """It would be ended with the server: that group gets no limits, and is not killed."""
    group = made(tree)
    tree.refused.add(f"{LEAF}/cgroup.procs")
    group.enter()
    group.leave()
    group.limit(Limits(memory=1 << 20, pids=5, cpus=1.5))
    group.kill()
    assert tree.written == [("hub-1-x/cgroup.procs", "0")]
    assert not group.enforces(MEMORY)


def test_leftovers_are_killed_and_removed(tree: Tree) -> None:
    """Groups of this hub's earlier servers; those of other hubs stay."""
    found = Groups(str(tree.path), "hub-1-")
    for name in ("hub-1-old", "hub-2-other"):
        (tree.path / name / "nested").mkdir(parents=True)
    found.sweep()
    assert ("hub-1-old/cgroup.kill", "1") in tree.written
    assert ("hub-2-other/cgroup.kill", "1") not in tree.written
    assert not (tree.path / "hub-1-old").exists()
    assert (tree.path / "hub-2-other").exists()


def test_a_group_that_cannot_be_made(tree: Tree) -> None:
    """Its server goes without."""
    found = Groups(str(tree.path), "hub-1-")
    (tree.path / "hub-1-x").mkdir()
    assert found.create("x") is None
