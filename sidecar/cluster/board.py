"""What replicas write into Redis for each other. Imported only where HUB_REDIS_URL and HUB_REPLICA are set.

Two hashes: the report of each replica, with the time by the clock of Redis, so that the clocks of the replicas may
differ; and a mark for each server, which is another one after each change of its lists. Marks can be compared later, so
a replica misses no change that was made while it could not reach Redis.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError
from redis.exceptions import RedisError

from bridge.models.replicas import ReplicaReport
from sidecar import redis_connection
from sidecar.cluster.errors import ReplicasUnknown

T = TypeVar("T")

REPORTS = "yamcp-hub:{replicas}:reports"
CHANGES = "yamcp-hub:{replicas}:changes"
"""The braces keep both in one slot of a cluster (Redis Cluster, hash tags)."""
KEPT_SECONDS = 3600
"""How long the report of a replica is kept that is gone."""
MAX_REPLICAS = 1000
MAX_REPORT_BYTES = 16 * 1024
BEAT, TELL = ((Path(__file__).parent / name).read_text("utf-8") for name in ("beat.lua", "tell.lua"))
NONSENSE = (ValueError, TypeError, AttributeError, LookupError)
"""What reading raises that is none of a hub's: other programs may write to the same Redis."""


class Reported(NamedTuple):
    """The report of a replica, and how many seconds ago it was made."""

    name: str
    age: float
    report: ReplicaReport


class Board:
    """The replicas' reports and marks of changes. Every method raises ReplicasUnknown if Redis does not answer."""

    def __init__(self, url: str) -> None:
        self._redis = redis_connection.connect(url)
        self._beat, self._tell = self._redis.register_script(BEAT), self._redis.register_script(TELL)

    async def write(self, name: str, report: ReplicaReport) -> str:
        """Write the report of a replica. Returns the newest mark of a change; empty if there was none."""
        arguments: list[str | int] = [name, report.model_dump_json(), KEPT_SECONDS]
        return _text(await self._run(lambda: self._beat([REPORTS, CHANGES], arguments)))

    async def read(self) -> list[Reported]:
        """The reports of all replicas, by name, without those of replicas that are gone for KEPT_SECONDS."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.time()
        pipeline.hgetall(REPORTS)
        (seconds, microseconds), written = await self._run(pipeline.execute)
        now = seconds + microseconds / 1e6
        found = [each for name, text in written.items() if (each := _reported(name, text, now))]
        old = [each.name for each in found if each.age > KEPT_SECONDS]
        if old:
            await self._run(lambda: self._redis.hdel(REPORTS, *old))
        return sorted(each for each in found if each.name not in old)[:MAX_REPLICAS]

    async def changes(self) -> dict[str, str]:
        """The mark of the last change of each server, and the newest one as that of ''."""
        found = await self._run(lambda: self._redis.hgetall(CHANGES))
        return {_text(server): _text(mark) for server, mark in found.items()}

    async def tell(self, name: str, servers: Collection[str]) -> str:
        """Note that the lists of these servers have changed at a replica. Returns their mark."""
        arguments: list[str | int] = [name, 24 * KEPT_SECONDS, *servers]
        return _text(await self._run(lambda: self._tell([CHANGES], arguments)))

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose(close_connection_pool=True)

    async def _run(self, command: Callable[[], Awaitable[T]]) -> T:
        try:
            return await redis_connection.in_time(command, redis_connection.UNHURRIED_SECONDS)
        except (RedisError, OSError) as error:
            raise ReplicasUnknown(f"Redis does not answer: {type(error).__name__}.") from None


def _text(found: Any) -> str:
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)


def _reported(name: Any, text: Any, now: float) -> Reported | None:
    """What was written of a replica; None for what no hub wrote."""
    try:
        at, _, report = text.partition(b" ")
        if len(report) > MAX_REPORT_BYTES:
            return None
        return Reported(name.decode(), max(0.0, now - float(at)), ReplicaReport.model_validate_json(report))
    except (*NONSENSE, ValidationError):
        return None
