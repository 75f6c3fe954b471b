"""Tells the other replicas how this one is, and learns how they are. Imported only where replicas are configured."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from bridge.errors import ErrorBody
from bridge.models.replicas import ReplicaReport, ReplicasState, ReplicaState, ReplicaStatus
from sidecar import redis_connection
from sidecar.cluster.board import Board, Reported
from sidecar.cluster.errors import ReplicasUnknown
from sidecar.cluster.list_changes import ListChanges

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
"""Between two reports of a replica."""
LOST_SECONDS = 10.0
"""A replica is lost that has reported nothing for so long."""
LIVE: frozenset[ReplicaState] = frozenset({"starting", "serving", "draining"})


class Replicas:
    """The replicas of a hub, as one of them knows them."""

    def __init__(
        self,
        name: str,
        board: Board,
        report: Callable[[], ReplicaReport],
        changes: ListChanges,
        replaced: Callable[[], bool],
        on_reachable: Callable[[bool], None],
    ) -> None:
        """`name` is that of this replica, and `report` returns what it says of itself. `replaced`: whether another
        process of this replica reports in its place. `on_reachable` is told whether Redis answers."""
        self._name = name
        self._board = board
        self._report = report
        self._changes = changes
        self._replaced = replaced
        self._on_reachable = on_reachable
        self._reachable = True
        on_reachable(True)

    async def run(self) -> None:
        """Report until cancelled, and that it has stopped then."""
        try:
            while True:
                pause = BEAT_SECONDS
                try:
                    await self._beat()
                    self._set_reachable(None)
                except ReplicasUnknown as error:
                    self._set_reachable(error)
                    pause = redis_connection.PAUSE_SECONDS
                except Exception:
                    log.exception("the other replicas could not be told of this one")
                    pause = redis_connection.PAUSE_SECONDS
                await asyncio.sleep(pause)
        finally:
            await self._stop()

    async def _beat(self) -> None:
        """Report once, and exchange changes of lists. Raises ReplicasUnknown."""
        if self._replaced():
            return
        changes = self._changes
        changes.look()
        newest = await self._board.write(self._name, self._report())
        if told := tuple(changes.untold):
            changes.told(told, await self._board.tell(self._name, told))
        if told or changes.differs(newest):
            read = changes.learn(await self._board.changes())
            if read:
                log.info("lists are read again, as they changed at another replica", extra={"servers": read})

    async def _stop(self) -> None:
        try:
            if not self._replaced() and self._reachable:
                await self._board.write(self._name, self._report().model_copy(update={"state": "stopped"}))
        except ReplicasUnknown:
            pass  # the others will find it lost
        finally:
            await self._board.close()

    def _set_reachable(self, error: ReplicasUnknown | None) -> None:
        reachable = error is None
        if reachable == self._reachable:
            return
        self._reachable = reachable
        self._on_reachable(reachable)
        if error is None:
            log.info("the other replicas are known again")
        else:
            log.warning("the other replicas are not known", extra={"code": error.code, "reason": error.message})

    def trouble(self) -> ErrorBody | None:
        """Why the other replicas are not known; None if they are."""
        return None if self._reachable else ReplicasUnknown("Redis does not answer.").body()

    async def state(self) -> ReplicasState:
        """The states of all replicas; of this one alone, if Redis does not answer."""
        own = Reported(self._name, 0.0, self._report())
        reported, error = list[Reported](), self.trouble()
        if error is None:
            try:
                reported = await self._board.read()
            except ReplicasUnknown as unknown:
                error = unknown.body()
        return state_of([own, *(each for each in reported if each.name != self._name)], error)


def state_of(reported: list[Reported], error: ErrorBody | None) -> ReplicasState:
    """The answer to `replicas`, made of the reports of all replicas, the first of which is the own one."""
    own, wanted = reported[0].name, reported[0].report.accepted
    replicas = sorted((_status(each, wanted.hash if wanted else None) for each in reported), key=lambda each: each.name)
    live = [each for each in replicas if each.state in LIVE]
    return ReplicasState(
        transport="redis",
        own=own,
        error=error,
        wanted=wanted,
        replicas=tuple(replicas),
        live=len(live),
        up_to_date=sum(each.up_to_date for each in live),
        sessions=sum(each.sessions for each in live),
        calls_in_flight=sum(each.calls_in_flight for each in live),
    )


def _status(reported: Reported, wanted: str | None) -> ReplicaStatus:
    """`wanted` is the hash of the configuration that all replicas should serve."""
    name, age, report = reported
    said = report.model_dump()
    if report.state in LIVE and age > LOST_SECONDS:
        said["state"] = "lost"
    applied = report.applied
    up_to_date = applied is not None and applied.hash == wanted
    return ReplicaStatus(**said, name=name, age=round(age, 1), up_to_date=up_to_date)
