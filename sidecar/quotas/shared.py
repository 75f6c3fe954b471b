"""Counts of limits in Redis or Valkey, which several hubs share. Imported only where HUB_LIMITS_URL is set.

A request takes one round trip: a script compares and counts in one step (`enter.lua`), by the clock of Redis. What ends
is told in batches, by a task of its own (`run`), and so are bytes and sessions; other hubs know of them within
`FLUSH_SECONDS`. A call in progress is a lease, which the task renews; so those of a hub that died are free after
`LEASE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from redis.exceptions import RedisError

from sidecar import redis_connection
from sidecar.quotas.account import Account, Meter, meter_name
from sidecar.quotas.errors import LimitsUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

PREFIX = "yamcp-hub:limits:"
FLUSH_SECONDS = 1.0
"""Between two messages of the task."""
LEASE_SECONDS = 60.0
SESSIONS_SECONDS = 15.0
"""How long another hub's number of sessions counts that says nothing any more."""
KEPT_SECONDS = 2 * 86400
"""How long Redis keeps what nobody counts any more."""
ENTER = (Path(__file__).parent / "enter.lua").read_text("utf-8")
NONE = -1
KINDS = frozenset({"", "rate", "concurrent", "calls_per_day", "bytes_per_day"})
"""What `enter.lua` answers: the kind of the limit that forbids a request, or nothing."""
NONSENSE = (ValueError, TypeError, AttributeError, LookupError)
"""What reading an answer raises that is none of a hub's: other programs may write to the same Redis."""


class SharedCounts:
    """The counts of all principals at one Redis. `on_reachable` is told when Redis answers, or no longer does."""

    def __init__(
        self,
        url: str,
        accounts: Callable[[], list[Account]],
        sessions: Callable[[Account], int],
        on_reachable: Callable[[bool], None],
    ) -> None:
        """`accounts` are the principals with limits, `sessions` the number of open sessions of one."""
        self.reachable = True
        """Whether Redis is asked. While it is not, each hub counts for itself."""
        self._redis = redis_connection.connect(url)
        self._enter = self._redis.register_script(ENTER)
        self._accounts, self._sessions, self._on_reachable = accounts, sessions, on_reachable
        self._replica = secrets.token_hex(8)
        self._number = 0
        self._leases: dict[str, str] = {}
        """The calls in progress: the keys of their leases, by member."""
        self._ended: list[tuple[str, str]] = []
        """Leases that have ended, as (key, member)."""
        self._returned: list[tuple[Meter, float, bool]] = []
        """Requests that did not begin: the meter, when they were counted (Unix time), and whether they are calls."""
        self._bytes: Counter[str] = Counter()
        self._away_until = 0.0
        self._renewed = 0.0
        self._offset: float | None = None
        """Seconds by which the clock of Redis is ahead of this one's; None before Redis was asked."""

    # --- requests ------------------------------------------------------------------------------------------------

    async def enter(self, meter: Meter, *, is_call: bool, bytes_per_day: float = NONE) -> tuple[str, float, str]:
        """Count a request, if no limit forbids it: the kind of that limit (empty if none does), seconds until it is
        worth trying again, and the member that names the request to `leave`.

        Raises:
            LimitsUnavailable: Redis does not answer. The request may have been counted.
        """
        self._number += 1
        member, bounds = f"{self._replica}-{self._number}", meter.bounds
        keys = [f"{PREFIX}{meter.name}:{part}" for part in ("rates", "running", "day")]
        most = [_number(value) for value in (bounds.concurrent, bounds.calls_per_day, bytes_per_day)]
        rates = [value for rate in bounds.rates for value in rate]
        arguments = [int(is_call), member, LEASE_SECONDS, KEPT_SECONDS, *most, *rates]
        if is_call:
            self._leases[member] = keys[1]
        try:
            kind, wait = self._read(await self._asked(lambda: self._enter(keys, arguments)))
        except BaseException:
            self.leave(member)
            raise
        if kind:
            self._leases.pop(member, None)
        return kind, wait, member

    def _read(self, answer: Any) -> tuple[str, float]:
        """The answer of `enter.lua`. Raises LimitsUnavailable for another one."""
        try:
            kind, wait = answer[0].decode(), float(answer[1])
            if kind in KINDS and math.isfinite(wait):
                return kind, wait
            raise ValueError
        except NONSENSE as error:
            raise self._failed(error) from None

    def leave_all(self) -> None:
        """All requests have ended, as far as limits go: there are none any more."""
        for member in tuple(self._leases):
            self.leave(member)

    def leave(self, member: str) -> None:
        """A request has ended."""
        if key := self._leases.pop(member, None):
            self._ended.append((key, member))

    def give_back(self, meter: Meter, charged_at: float, *, is_call: bool) -> None:
        """Take back a request that was counted at that Unix time, since it did not begin."""
        self._returned.append((meter, charged_at, is_call))

    def add_bytes(self, principal: str, size: int) -> None:
        """Count bytes of a principal."""
        self._bytes[principal] += size

    async def _asked(self, command: Callable[[], Awaitable[T]]) -> T:
        if time.monotonic() < self._away_until:
            raise LimitsUnavailable("Redis did not answer a moment ago.")
        try:
            answer = await redis_connection.in_time(command)
        except (RedisError, OSError) as error:
            raise self._failed(error) from None
        self._away_until = 0.0  # it may have been set while this command was under way
        self._set_reachable(True)
        return answer

    def _failed(self, error: Exception) -> LimitsUnavailable:
        """Count in this process alone for a while; returns the error that says so."""
        self._away_until = time.monotonic() + redis_connection.PAUSE_SECONDS
        self._set_reachable(False, type(error).__name__)
        return LimitsUnavailable(f"Redis does not answer: {type(error).__name__}.")

    def _set_reachable(self, reachable: bool, why: str = "") -> None:
        if reachable == self.reachable:
            return
        self.reachable = reachable
        if reachable:
            log.info("limits are counted in Redis again")
        else:
            log.warning(
                "limits are counted by this process alone: Redis does not answer",
                extra={"code": LimitsUnavailable.code, "reason": why},
            )
        self._on_reachable(reachable)

    # --- the task ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Tell Redis what has ended, and learn what other hubs count, until cancelled."""
        try:
            while True:
                await asyncio.sleep(FLUSH_SECONDS)
                try:
                    await self.flush()
                except LimitsUnavailable:
                    self._bound()
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose(close_connection_pool=True)

    async def flush(self) -> None:
        """Send what has ended and what was counted since the last time. Raises LimitsUnavailable."""
        if self._offset is None:
            await self._learn_clock()
        ended, returned, sizes = self._ended, self._returned, self._bytes
        self._ended, self._returned, self._bytes = [], [], Counter()
        accounts = [each for each in self._accounts() if each.plan.sessions != math.inf]
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.time()
        for key, member in ended:
            pipeline.zrem(key, member)
        for meter, charged_at, is_call in returned:
            _give_back(pipeline, meter, charged_at, is_call)
        for principal, size in sizes.items():
            pipeline.hincrby(f"{PREFIX}{meter_name(principal)}:day", "bytes", size)
        self._renew(pipeline)
        self._tell_sessions(pipeline, accounts)
        try:
            answers = await self._asked(pipeline.execute)
        except LimitsUnavailable:
            self._ended, self._returned = ended + self._ended, returned + self._returned
            self._bytes.update(sizes)
            raise
        try:
            self._set_clock(answers[0])
            self._note_sessions(accounts, answers)
        except NONSENSE as error:
            raise self._failed(error) from None

    async def _learn_clock(self) -> None:
        """Ask for the time by the clock of Redis, by which leases and numbers of sessions end. Raises
        LimitsUnavailable."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.time()
        answers = await self._asked(pipeline.execute)
        try:
            self._set_clock(answers[0])
        except NONSENSE as error:
            raise self._failed(error) from None

    def _set_clock(self, answer: Any) -> None:
        seconds, microseconds = answer
        self._offset = seconds + microseconds / 1e6 - time.time()

    def _renew(self, pipeline: Any) -> None:
        """Prolong the leases of the calls in progress."""
        if time.monotonic() - self._renewed < LEASE_SECONDS / 3:
            return
        self._renewed = time.monotonic()
        for member, key in self._leases.items():
            pipeline.zadd(key, {member: self._now() + LEASE_SECONDS}, xx=True)

    def _tell_sessions(self, pipeline: Any, accounts: list[Account]) -> None:
        """Tell how many sessions are open here, and ask how many are elsewhere."""
        for account in accounts:
            key = f"{PREFIX}{meter_name(account.principal.id)}:sessions"
            pipeline.hset(
                key,
                self._replica,
                f"{self._sessions(account)} {self._now() + SESSIONS_SECONDS}",
            )
            pipeline.expire(key, KEPT_SECONDS)
            pipeline.hgetall(key)

    def _now(self) -> float:
        """Unix time by the clock of Redis, as known since the last time."""
        return time.time() + (self._offset or 0.0)

    def _note_sessions(self, accounts: list[Account], answers: list[Any]) -> None:
        asked = answers[len(answers) - 3 * len(accounts) :]
        for account, found in zip(accounts, asked[2::3], strict=True):
            others = [value.split() for name, value in found.items() if name != self._replica.encode()]
            account.sessions_elsewhere = sum(int(count) for count, until in others if float(until) > self._now())

    def _bound(self) -> None:
        """Forget the oldest of what Redis was not told, since leases and days end by themselves."""
        del self._ended[:-100_000], self._returned[:-1000]


def _give_back(pipeline: Any, meter: Meter, charged_at: float, is_call: bool) -> None:
    """As `Meter.refund`."""
    for rate, burst in meter.bounds.rates:
        left = min(1 / rate, 1 / rate - (time.time() - charged_at))  # the clock may have been set back
        if left > 0:
            pipeline.hincrbyfloat(f"{PREFIX}{meter.name}:rates", f"{rate!r} {burst}", -left)
    if is_call:
        pipeline.hincrby(f"{PREFIX}{meter.name}:day", "calls", -1)


def _number(value: float) -> int:
    return NONE if value == math.inf else int(value)
