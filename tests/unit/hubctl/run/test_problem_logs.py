"""Which lines of the processes' logs are shown on stdout."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path

import pytest

from hubctl.run.problem_logs import SIZES_VARIABLE, ProblemLogs, follow, is_problem, sizes


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"level":"info","message":"m"}', False),
        ('{"level":"warning","message":"m"}', True),
        ('{"level":"error","message":"m"}', True),
        ("Traceback (most recent call last):", True),
        ("", False),
    ],
)
def test_what_matters(line: str, shown: bool) -> None:
    """Warnings, errors, and what is no record at all."""
    assert is_problem(line) is shown


def test_each_line_once_whole_and_after_a_rotation_too(tmp_path: Path) -> None:
    """What was there at the start is not told; a line is, when it has ended, and terminals need not fear it."""
    log = tmp_path / "front.log"
    log.write_text("old\n")
    troubles = ProblemLogs(tmp_path, json.loads(sizes(tmp_path)))
    assert troubles.news() == []
    with log.open("a") as file:
        file.write("one\x1b[31m\ntw")
    assert troubles.news() == ["one\\x1b[31m"]
    with log.open("a") as file:
        file.write("o\n")
    assert troubles.news() == ["two"]
    log.rename(tmp_path / "front.log.1")
    log.write_text("a file that is longer than the last one\n")
    assert troubles.news() == ["a file that is longer than the last one"]
    assert troubles.news() == []


async def test_lines_are_told_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that was logged before anybody looked, then one that comes."""
    monkeypatch.setenv(SIZES_VARIABLE, sizes(tmp_path))
    log = tmp_path / "sidecar.log"
    log.write_text("early\n")
    told: asyncio.Queue[str] = asyncio.Queue()
    task = asyncio.create_task(follow(tmp_path, lambda *lines: [told.put_nowait(line) for line in lines]))
    assert await told.get() == "early"
    numbers = itertools.count()
    while told.qsize() < 3:  # lines may come before the directory is watched; the next brings them along
        with log.open("a") as file:
            file.write(f"line {next(numbers)}\n")
        await asyncio.sleep(0.2)
    assert [told.get_nowait() for _ in range(3)] == ["line 0", "line 1", "line 2"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
