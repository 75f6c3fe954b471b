"""The states of replicas that are asked: those that answer, those that do not, and how often they are asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from bridge.errors import ErrorBody
from bridge.models import SnapshotId
from bridge.models.replicas import ReplicaReport
from bridge.settings.replicas import addresses
from sidecar.replicas import reports
from sidecar.replicas.asking import Asker
from sidecar.replicas.reports import Reports

CURRENT = SnapshotId(epoch=1, revision=1, hash="0" * 16)
SILENT = ErrorBody(code="REPLICA_SILENT", message="The replica cannot be connected to.")


def report(**more: Any) -> ReplicaReport:
    """What a replica says of itself."""
    return ReplicaReport(**{"state": "serving", "version": "1", "uptime": 9, "accepted": CURRENT} | more)


class Others:
    """The other replicas: `says` is what each answers. Questions wait for `door`."""

    def __init__(self) -> None:
        self.says: dict[str, ReplicaReport | ErrorBody] = {}
        self.asked = 0
        self.door = asyncio.Event()
        self.door.set()

    async def ask(
        self, names: Iterable[str], path: str, question: bytes, seconds: float, read: object, take: Callable[..., None]
    ) -> None:
        """As `Asker`."""
        self.asked += 1
        await self.door.wait()
        for name in names:
            take(name, self.says[name])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds, as the first item."""
    now = [1000.0]
    monkeypatch.setattr(reports.time, "monotonic", lambda: now[0])
    return now


async def test_what_the_others_answer(clock: list[float]) -> None:
    """The sums are about those that answer; one that does not is lost, with the reason, since when, and what it said
    last."""
    others = Others()
    made = Reports(
        cast("Asker", others),
        addresses("r1", "r0=http://h:1,r1=http://h:2,r2=http://h:3"),
        lambda: report(applied=CURRENT, sessions=1),
    )
    others.says = {"r0": report(applied=CURRENT, sessions=2, state="draining"), "r2": SILENT}
    found = await made.state()
    assert (found.transport, found.own, found.error) == ("http", "r1", None)
    assert [(each.name, each.state, each.up_to_date) for each in found.replicas] == [
        ("r0", "draining", True),
        ("r1", "serving", True),
        ("r2", "lost", False),
    ]
    assert (found.live, found.up_to_date, found.sessions) == (2, 2, 3)
    assert found.replicas[2].error == SILENT
    others.says = {"r0": SILENT, "r2": SILENT}
    clock[0] += 5
    gone, _, silent = (await made.state()).replicas
    assert (gone.state, gone.age, gone.sessions, gone.error) == ("lost", 0, 2, SILENT)
    assert (silent.age, silent.version) == (5, "")
    clock[0] += 5
    gone, *_ = (await made.state()).replicas
    assert gone.age == 5
    others.says = {"r0": report(), "r2": SILENT}
    clock[0] += 5
    back, *_ = (await made.state()).replicas
    assert (back.state, back.age, back.error) == ("serving", 0, None)


async def test_many_who_look_ask_once(clock: list[float]) -> None:
    """At the same time, and within a second; one who leaves ends nobody else's question."""
    others = Others()
    others.says = {"r1": report()}
    others.door.clear()
    made = Reports(cast("Asker", others), addresses("r0", "r0=http://h:1,r1=http://h:2"), report)
    looking = [asyncio.create_task(made.state()) for _ in range(3)]
    await asyncio.sleep(0)
    looking[0].cancel()
    await asyncio.sleep(0)
    others.door.set()
    assert [found.live for found in await asyncio.gather(*looking[1:])] == [2, 2]
    await made.state()
    assert others.asked == 1
    clock[0] += 1
    await made.state()
    assert others.asked == 2
