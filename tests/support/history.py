"""A history as large as wanted, the questions that pages ask about it, and how a database answers each."""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable, Iterator
from itertools import accumulate
from typing import Any

from bridge.models import (
    ReadCall,
    ReadCalls,
    ReadChanges,
    ReadRecordedPrincipals,
    ReadRecordedSessions,
    ReadSignIns,
    ReadUsage,
)
from recorder.batch import Batch, NewCall, NewChange, NewSession, NewSignIn
from recorder.sql.database import Database, Row
from recorder.sql.reading import Reader

DAYS = 30
SERVERS, TOOLS, WORKSPACES, PRINCIPALS = 20, 40, 10, 50
OUTCOMES = [*["ok"] * 96, "error", "SERVER_TIMEOUT", "cancelled", "tool_error"]
SESSION_CALLS = 40
Ask = Callable[[Reader, random.Random], Awaitable[Any]]


def calls_of(total: int, now: float, seed: int = 7) -> Iterator[NewCall]:
    """So many calls of the last 30 days, oldest first.

    Each workspace has five servers, each principal two workspaces; few tools and principals make most of the calls.
    """
    chance = random.Random(seed)
    weights = list(accumulate(1 / (rank + 1) for rank in range(TOOLS)))
    people = list(accumulate(1 / (rank + 1) for rank in range(PRINCIPALS)))
    for number in range(total):
        [principal] = chance.choices(range(PRINCIPALS), cum_weights=people)
        workspace = (principal + chance.randrange(2)) % WORKSPACES
        server = (2 * workspace + chance.randrange(5)) % SERVERS
        [tool] = chance.choices(range(TOOLS), cum_weights=weights)
        session = f"{(number // SESSION_CALLS) * 16 + principal % 16:012x}"
        yield NewCall(
            now - DAYS * 86400 * (1 - number / total), chance.lognormvariate(-3, 1.2), 0.0, f"workspace{workspace}",
            session, f"principal{principal}", "", "http", "modern", "tools/call", f"server{server}",
            f"tool_{tool}", chance.choice(OUTCOMES), "", f"{session[:8]}-{number % 1000}", "", 80, 900,
        )  # fmt: skip


def others_of(now: float) -> Batch:
    """Changes, sign-ins and sessions of the last 30 days."""
    times = [now - DAYS * 86400 * (1 - number / 5000) for number in range(5000)]
    changes = [
        NewChange(
            at, f"principal{n % 9}", "console" if n % 3 else "file", "put_server", f"server{n % 20}", "", "a", "b"
        )
        for n, at in enumerate(times)
    ]
    sign_ins = [NewSignIn(at, f"principal{n % 9}", "10.0.0.1", "key", "ok") for n, at in enumerate(times)]
    sessions = [
        NewSession(f"{n:012x}", f"workspace{n % 10}", f"principal{n % 50}", "http", "client 1.0", at)
        for n, at in enumerate(times)
    ]
    return Batch(sessions=sessions, changes=changes, sign_ins=sign_ins)


def _calls(**fields: Callable[[random.Random], Any]) -> Ask:
    return lambda reader, chance: reader.calls(ReadCalls(**{name: made(chance) for name, made in fields.items()}))


def _usage(**fields: Any) -> Ask:
    def ask(reader: Reader, chance: random.Random) -> Awaitable[Any]:
        made = {name: value(chance) if callable(value) else value for name, value in fields.items()}
        return reader.usage(ReadUsage(**made), NOW)

    return ask


NOW = 1_800_000_000.0
REPLICA = "r0"
"""The name of the replica whose store is asked."""
WORKSPACE = lambda chance: f"workspace{chance.randrange(WORKSPACES)}"  # noqa: E731
SERVER = lambda chance: f"server{chance.randrange(SERVERS)}"  # noqa: E731
TOOL = lambda chance: f"tool_{chance.randrange(TOOLS)}"  # noqa: E731
PRINCIPAL = lambda chance: f"principal{chance.randrange(PRINCIPALS)}"  # noqa: E731
SINCE = lambda chance: NOW - chance.randrange(2, DAYS) * 86400  # noqa: E731
UNTIL = lambda chance: NOW - chance.randrange(1, DAYS) * 86400.0  # noqa: E731


def questions(total: int) -> dict[str, Ask]:
    """What the pages ask of a history of so many calls, by what it is called in documents."""

    def some(chance: random.Random) -> int:
        return chance.randrange(1, total)

    return {
        "the newest calls": _calls(),
        "an older page": _calls(before=some),
        "calls before a time": _calls(until=UNTIL),
        "calls after an id": _calls(after=some),
        "one call": lambda reader, chance: reader.call(ReadCall(id=some(chance))),
        "by workspace": _calls(workspace=WORKSPACE),
        "by server": _calls(server=SERVER, before=some),
        "by tool": _calls(tool=TOOL),
        "by principal": _calls(principal=PRINCIPAL, until=UNTIL),
        "by session": _calls(session=lambda chance: f"{some(chance) // SESSION_CALLS * 16 + 1:012x}"),
        "by correlation id": _calls(correlation=lambda chance: f"{some(chance) // SESSION_CALLS * 16:08x}-7"),
        "failed": _calls(outcome=lambda _: "failed"),
        "by outcome": _calls(outcome=lambda _: "SERVER_TIMEOUT", before=some),
        "successful, of a principal": _calls(outcome=lambda _: "ok", principal=PRINCIPAL),
        "by server, tool and time": _calls(server=SERVER, tool=TOOL, since=SINCE),
        "failed, of a principal in a workspace": _calls(
            outcome=lambda _: "failed", principal=PRINCIPAL, workspace=WORKSPACE
        ),
        "of a replica": _calls(replica=lambda _: REPLICA),
        "failed, of a replica": _calls(outcome=lambda _: "failed", replica=lambda _: REPLICA),
        "a combination that never occurred": _calls(
            workspace=lambda _: "workspace0", principal=lambda _: "principal1", server=lambda _: "server9"
        ),
        "calls of a workspace after an id": _calls(after=some, workspace=WORKSPACE),
        "the last hour by tool": _usage(range="hour", by="tool"),
        "the last day by tool": _usage(range="day", by="tool"),
        "the last month by tool": _usage(range="month", by="tool"),
        "the last month by tool, in a workspace": _usage(range="month", by="tool", workspace=WORKSPACE),
        "the last month by tool, of a server": _usage(range="month", by="tool", server=SERVER),
        "the last day by principal": _usage(range="day", by="principal"),
        "the last month by principal": _usage(range="month", by="principal"),
        "the last month by server": _usage(range="month", by="server"),
        "the last month by workspace": _usage(range="month", by="workspace"),
        "the last month by replica": _usage(range="month", by="replica"),
        "the newest changes": lambda reader, _: reader.changes(ReadChanges()),
        "changes of a server, from the console": lambda reader, chance: reader.changes(
            ReadChanges(subject=SERVER(chance), source="console")
        ),
        "changes by a principal": lambda reader, _: reader.changes(ReadChanges(principal="principal3")),
        "changes of a replica": lambda reader, _: reader.changes(ReadChanges(replica=REPLICA)),
        "sign-ins": lambda reader, chance: reader.sign_ins(ReadSignIns(before=chance.randrange(1, 5000))),
        "sessions": lambda reader, _: reader.sessions(ReadRecordedSessions()),
        "sessions of a workspace": lambda reader, chance: reader.sessions(
            ReadRecordedSessions(workspace=WORKSPACE(chance))
        ),
        "sessions of a replica": lambda reader, _: reader.sessions(ReadRecordedSessions(replica=REPLICA)),
        "principals": lambda reader, _: reader.principals(ReadRecordedPrincipals()),
    }


async def plans(database: Database, ask: Ask) -> list[tuple[str, list[str]]]:
    """The statements that a question asks of a database, each with the database's plan for it."""
    asked: list[tuple[str, tuple[Any, ...]]] = []

    async def fetch(sql: str, *values: Any) -> list[Row]:
        asked.append((sql, values))
        return await database.fetch(sql, *values)

    await ask(Reader(fetch), random.Random(1))
    return [(sql, await _plan(database, sql, values)) for sql, values in asked if "FROM counters" not in sql]


async def _plan(database: Database, sql: str, values: tuple[Any, ...]) -> list[str]:
    if database.engine == "sqlite":
        return [str(row[3]) for row in await database.fetch(f"EXPLAIN QUERY PLAN {sql}", *values)]
    return [str(line) for (line,) in await database.fetch(f"EXPLAIN (ANALYZE, COSTS OFF) {sql}", *values)]


SQLITE_SCAN = re.compile(r"^SCAN (calls|call_details|changes|sign_ins|usage)\b(?! USING)")
POSTGRES_SCAN = re.compile(r"Seq Scan on (calls|call_details|changes|sign_ins|usage)\b")


def full_scans(engine: str, plan: list[str]) -> list[str]:
    """The lines of a plan that read a whole table."""
    return [line for line in plan if (SQLITE_SCAN if engine == "sqlite" else POSTGRES_SCAN).search(line)]
