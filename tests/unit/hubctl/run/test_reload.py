"""`hubctl reload`, with a supervisor that says what the test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubctl.errors import HubNotRunning, ReloadFailed, ReloadUnderWay
from hubctl.run import reload, supervisor
from hubctl.run.reload import REPORT, SUCCESSION_SOCKET, Change, exclusive
from hubctl.run.supervisor import Program

OLD, NEW = 10, 20
GONE = Program("STOPPED", 0, "Not started")
RUNS = Program("RUNNING", OLD, "pid 10")


class Supervisor:
    """The programs `sidecar`, which serves, and `sidecar-b`; `then` is called when that is started."""

    def __init__(self, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runtime = runtime
        self.programs = {"sidecar": RUNS, "sidecar-b": GONE}
        self.started: list[str] = []
        self.stopped: list[str] = []
        (runtime / SUCCESSION_SOCKET).touch()  # the old sidecar waits for a successor
        self.then: Callable[[], Any] = lambda: None
        monkeypatch.setattr(reload, "programs", lambda _: self.programs)
        monkeypatch.setattr(reload, "start", self._start)
        monkeypatch.setattr(reload, "stop", lambda _, name: self.stopped.append(name))
        monkeypatch.setattr(reload, "POLL_SECONDS", 0.001)

    def _start(self, _: Path, name: str) -> None:
        self.started.append(name)
        self.programs[name] = Program("STARTING", NEW, "")
        self.then()

    def state(self, state: str) -> None:
        """The new sidecar has this state."""
        self.programs["sidecar-b"] = Program(state, NEW, "Exited too quickly")

    def report(self, outcome: str, **error: Any) -> None:
        """The new sidecar reports."""
        body = {"pid": NEW, "outcome": outcome, "error": error or None}
        (self.runtime / REPORT).write_text(json.dumps(body))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """Its programs are looked at each millisecond."""
    return Supervisor(tmp_path, monkeypatch)


async def test_it_takes_over(fake: Supervisor) -> None:
    """The new process serves, and the old one has ended; what an earlier reload reported does not count."""
    fake.report("failed", code="X", message="an earlier one", hint="")

    def then() -> None:
        assert not (fake.runtime / REPORT).exists()
        fake.report("serving")
        fake.state("RUNNING")

    fake.then = then
    change = Change(fake.runtime, OLD)
    assert await change.make() == NEW
    assert not await change.old_has_ended(0.01)
    fake.programs["sidecar"] = Program("EXITED", 0, "")
    assert await change.old_has_ended(10)
    assert fake.stopped == []


async def test_it_cannot_report(fake: Supervisor) -> None:
    """On a full disk there is no report: the new sidecar has taken over as soon as the old one has left."""

    def then() -> None:
        fake.programs["sidecar"] = Program("EXITED", 0, "")
        fake.state("RUNNING")

    fake.then = then
    assert await Change(fake.runtime, OLD).make() == NEW
    assert fake.stopped == []


@pytest.mark.parametrize("state", ["BACKOFF", "FATAL", "EXITED"])
async def test_it_ends_before_it_serves(fake: Supervisor, state: str) -> None:
    """Code that cannot be loaded, say: it is stopped, so that it is not tried for ever, and the old one goes on."""
    fake.then = lambda: fake.state(state)
    with pytest.raises(ReloadFailed, match=rf"ended before it served \({state}: Exited too quickly\)"):
        await Change(fake.runtime, OLD).make()
    assert (fake.started, fake.stopped) == (["sidecar-b"], ["sidecar-b"])


@pytest.mark.parametrize("sign", ["report", "socket"])
async def test_it_is_stopped_after_it_has_taken_over(
    fake: Supervisor, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    """The command is interrupted, or the new sidecar ends, just when it has taken over: the old one leaves, so the new
    one is started again, as the hub would have none."""

    def stop(_: Path, name: str) -> None:
        fake.stopped.append(name)
        if sign == "report":
            fake.report("serving")
        else:
            (fake.runtime / SUCCESSION_SOCKET).unlink()

    def interrupt() -> None:
        fake.then = lambda: None
        loop.call_soon_threadsafe(changing.cancel)

    monkeypatch.setattr(reload, "stop", stop)
    loop = asyncio.get_running_loop()
    changing = asyncio.create_task(Change(fake.runtime, OLD).make())
    fake.then = interrupt
    with pytest.raises(asyncio.CancelledError):
        await changing
    assert (fake.started, fake.stopped) == (["sidecar-b", "sidecar-b"], ["sidecar-b"])


async def test_it_gives_up(fake: Supervisor) -> None:
    """It says why."""
    fake.then = lambda: fake.report("failed", code="SUCCESSION_FAILED", message="Not ready: a.", hint="")
    with pytest.raises(ReloadFailed, match=r"Not ready: a\.") as failed:
        await Change(fake.runtime, OLD).make()
    assert failed.value.data == {"cause": "SUCCESSION_FAILED"}
    assert fake.stopped == ["sidecar-b"]


async def test_it_takes_too_long(fake: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an end nor a report: it is stopped; not, however, where it serves already."""
    monkeypatch.setattr(reload, "TAKE_OVER_TIMEOUT", 0.02)
    with pytest.raises(ReloadFailed, match="has not taken over within"):
        await Change(fake.runtime, OLD).make()
    assert fake.stopped == ["sidecar-b"]
    fake.stopped.clear()
    fake.programs["sidecar-b"] = GONE
    fake.then = lambda: fake.report("serving")
    with pytest.raises(ReloadFailed):
        await Change(fake.runtime, OLD).make()
    assert fake.stopped == []


async def test_who_cannot_be_replaced(fake: Supervisor) -> None:
    """A sidecar that supervisord does not run; one whose predecessor is still there; a second reload at once."""
    with pytest.raises(HubNotRunning):
        await Change(fake.runtime, 99).make()
    fake.state("RUNNING")
    with pytest.raises(ReloadUnderWay, match="sidecar-b"):
        await Change(fake.runtime, OLD).make()
    with exclusive(fake.runtime), pytest.raises(ReloadUnderWay), exclusive(fake.runtime):
        raise AssertionError
    with exclusive(fake.runtime):
        pass
    assert fake.stopped == []


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("RUNNING", "STOPPED", "RUNNING pid 1"),
        ("EXITED", "RUNNING", "RUNNING pid 2"),
        ("RUNNING", "STARTING", "RUNNING pid 1"),
        ("FATAL", "STOPPED", "FATAL pid 1"),
        ("EXITED", "BACKOFF", "BACKOFF pid 2"),
    ],
)
def test_there_is_one_sidecar(monkeypatch: pytest.MonkeyPatch, one: str, other: str, shown: str) -> None:
    """Whichever program it is, it is called `sidecar`."""
    rows = [
        {"name": name, "statename": state, "description": f"pid {number}", "now": 10, "start": number}
        for number, (name, state) in enumerate((("sidecar", one), ("sidecar-b", other)), 1)
    ]
    monkeypatch.setattr(supervisor, "_processes", lambda _: rows)
    assert supervisor.process_states(Path()) == {"sidecar": shown}
    up = supervisor.seconds_since_start(Path(), "sidecar")
    assert up == {"RUNNING pid 1": 8 if other == "STARTING" else 9, "RUNNING pid 2": 8}.get(shown)
