"""The writers of the spool: private files, bounded, whole lines, and a count that survives a kill."""

from __future__ import annotations

import errno
import gc
import json
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.history.spool import END, SpoolWriter, drop, size_of


def lines(directory: Path) -> list[object]:
    """All lines of all files, in order."""
    return [json.loads(line) for file in sorted(directory.glob("*.jsonl")) for line in file.read_bytes().splitlines()]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Files cannot grow beyond this size: as a full disk does, a write beyond it is cut short, then fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_files_are_for_the_user_alone(tmp_path: Path) -> None:
    """The directory has mode 0700, and its files 0600, whatever the umask."""
    before = os.umask(0)
    try:
        writer = SpoolWriter(tmp_path / "spool", "w", 10_000)
        drop(tmp_path / "spool", "d", {}, 10_000)
        writer.close()
    finally:
        os.umask(before)
    paths = [tmp_path / "spool", *(tmp_path / "spool").iterdir()]
    assert len(paths) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} <= {0o700, 0o600}


def test_a_file_is_followed_by_another(tmp_path: Path) -> None:
    """Each complete file ends with END, and the next one says how many records were accounted for."""
    writer = SpoolWriter(tmp_path, "w", 10_000, file_bytes=20)
    for number in range(3):
        writer.append(b'{"number":%d}\n' % number, number + 1)
    writer.close()
    assert len(list(tmp_path.glob("*.jsonl"))) == 3
    assert [line for line in lines(tmp_path) if line != {"end": True}] == [
        *({"number": 0}, {"upto": 1}, {"number": 1}, {"upto": 2}, {"number": 2})
    ]
    assert all(file.read_bytes().endswith(END) for file in tmp_path.glob("*.jsonl"))


def test_the_whole_spool_is_bounded(tmp_path: Path) -> None:
    """Files of other writers count; there is room again when they are gone."""
    other = tmp_path / "0-other-1-000000.jsonl"
    other.write_bytes(b"x" * 90)
    writer = SpoolWriter(tmp_path, "w", 100)
    with pytest.raises(OSError, match="full") as caught:
        writer.append(b'{"number":1}\n', 1)
    assert caught.value.errno == errno.ENOSPC
    assert drop(tmp_path, "d", {"changes": []}, 100) is False
    other.unlink()
    writer.append(b'{"number":1}\n', 1)
    assert lines(tmp_path) == [{"number": 1}]
    assert size_of(tmp_path) == 13


def test_no_part_of_a_line_is_left_by_a_full_disk(tmp_path: Path) -> None:
    """A line that does not fit is not there at all, and the next one is whole."""
    writer = SpoolWriter(tmp_path, "w", 10_000)
    writer.append(b'{"number":1}\n', 1)
    with largest_file(20), pytest.raises(OSError, match="large"):
        writer.append(b'{"number":2}\n', 2)
    writer.append(b'{"number":3}\n', 3)
    assert lines(tmp_path) == [{"number": 1}, {"number": 3}]


def test_the_count_is_in_a_file_until_the_end(tmp_path: Path) -> None:
    """What `seen` says can be read by others at once, also if the process is killed."""
    writer = SpoolWriter(tmp_path, "w", 10_000)
    writer.seen[0] = 7
    [count] = tmp_path.glob("*.seen")
    assert int.from_bytes(count.read_bytes(), "little") == 7
    writer.close()
    assert not list(tmp_path.glob("*.seen"))


def test_a_spool_that_cannot_be_opened_leaves_nothing(tmp_path: Path) -> None:
    """On a full disk the writer tries again twice a second: no file and no descriptor may be left each time."""
    gc.collect()  # what an earlier test left open is not closed meanwhile
    before = len(list(Path("/proc/self/fd").iterdir()))
    with largest_file(0):
        for _ in range(3):
            with pytest.raises(OSError, match="large"):
                SpoolWriter(tmp_path, "w", 10_000)
    assert not list(tmp_path.iterdir())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
