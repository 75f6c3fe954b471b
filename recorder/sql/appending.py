"""Stores batches in an SQL database, and deletes what is too old or too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from recorder import usage
from recorder.batch import Batch, NewCall, clean, clean_calls, stored_already
from recorder.sql import queries
from recorder.sql.database import Row, Transaction
from recorder.store import MOST_SIGN_INS

RECORDED = len(queries.CALLS) - 2
"""How many of the fields of `NewCall` are columns of `calls`, beside id and replica; the others are its details."""
ADD_SESSION = (
    "INSERT INTO sessions (id, workspace, principal, transport, client, began, replica) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET ended = NULL, replica = excluded.replica"  # resumed, perhaps by another replica
)
END_SESSION = "UPDATE sessions SET ended = ? WHERE id = ? AND replica = ?"
"""A replica that was left may say later than the one that resumed the session that it has ended there."""
ADD_PRINCIPAL = (
    "INSERT INTO principals (name, first_seen, last_seen, calls) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET calls = principals.calls + excluded.calls, "
    "first_seen = CASE WHEN excluded.first_seen < principals.first_seen THEN excluded.first_seen "
    "ELSE principals.first_seen END, "
    "last_seen = CASE WHEN excluded.last_seen > principals.last_seen THEN excluded.last_seen "
    "ELSE principals.last_seen END"
)
ADD_POSITION = (
    "INSERT INTO positions (file, bytes, replica) VALUES (?, ?, ?) "
    "ON CONFLICT (file) DO UPDATE SET bytes = excluded.bytes, replica = excluded.replica"
)
ADD_REPLICA = "INSERT INTO replicas (name, seen) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seen = excluded.seen"
ADD_LOSS = (
    "INSERT INTO lost (at, records) VALUES (?, ?) "
    "ON CONFLICT (at) DO UPDATE SET records = lost.records + excluded.records"
)

AGED = (
    *(("changes", "id", "at"), ("sign_ins", "id", "at")),
    *(("principals", "name", "last_seen"), ("replicas", "name", "seen")),
)
"""Tables whose records are deleted by age: with their keys, and the columns of the times."""
TOO_MANY_SIGN_INS = "DELETE FROM sign_ins WHERE id IN (SELECT id FROM sign_ins WHERE id <= ? ORDER BY id LIMIT ?)"
PEAK = (
    "UPDATE counters SET value = (SELECT MAX(value) FROM counters WHERE name IN ('stored', 'peak')) WHERE name = 'peak'"
)


async def append(transaction: Transaction, batch: Batch, now: float, replica: str) -> None:
    """Store a batch of a replica, unless its positions say that it is stored."""
    positions = {str(file): int(end) for file, end in await transaction.fetch("SELECT file, bytes FROM positions")}
    if stored_already(batch.positions, positions):
        return
    await transaction.many(ADD_SESSION, [(*clean(each), replica) for each in batch.sessions])
    await _add_calls(transaction, clean_calls(batch.calls), now, replica)
    await transaction.many(END_SESSION, [(each.at, each.id, replica) for each in batch.ended])
    await _add(transaction, "changes", queries.CHANGES, batch.changes, replica)
    await _add(transaction, "sign_ins", queries.SIGN_INS, batch.sign_ins, replica)
    await transaction.many(ADD_LOSS, [(usage.begin(each.at, usage.HOUR), each.records) for each in batch.lost])
    await transaction.many(ADD_POSITION, [(file, end, replica) for file, end in batch.positions.items()])
    finished = [(file, replica) for file in batch.finished]
    await transaction.many("DELETE FROM positions WHERE file = ? AND replica = ?", finished)


async def _add(
    transaction: Transaction, table: str, columns: Sequence[str], records: Sequence[Row], replica: str
) -> None:
    if records:
        first = await _counted(transaction, table, len(records))
        rows = [(number, *clean(each), replica) for number, each in enumerate(records, first)]
        await transaction.insert(table, columns, rows)


async def _counted(transaction: Transaction, table: str, added: int) -> int:
    """The first of the ids of further records."""
    await transaction.execute("UPDATE counters SET value = value + ? WHERE name = ?", added, table)
    [(last,)] = await transaction.fetch("SELECT value FROM counters WHERE name = ?", table)
    return int(last) - added + 1


async def _add_calls(transaction: Transaction, calls: Sequence[NewCall], now: float, replica: str) -> None:
    if not calls:
        return
    numbered = list(enumerate(calls, await _counted(transaction, "calls", len(calls))))
    rows = [(number, *call[:RECORDED], replica) for number, call in numbered]
    await transaction.insert("calls", queries.CALLS, rows)
    kept = [
        (number, call.arguments, call.result, call.cut)
        for number, call in numbered
        if call.arguments is not None or call.result is not None
    ]
    if kept:
        await transaction.insert("call_details", ("id", "arguments", "result", "cut"), kept)
    await transaction.execute("UPDATE counters SET value = value + ? WHERE name = 'stored'", len(calls))
    by_session = Counter(call.session for call in calls if call.session)
    await transaction.many(
        "UPDATE sessions SET calls = calls + ? WHERE id = ?", [(n, id_) for id_, n in by_session.items()]
    )
    await transaction.many(ADD_PRINCIPAL, _principals(calls))
    await transaction.add_up("usage", usage.KEYS, queries.FIGURES, usage.count(calls, now, replica))


def _principals(calls: Iterable[NewCall]) -> list[Row]:
    seen: dict[str, list[float]] = {}
    for call in calls:
        if call.principal:
            seen.setdefault(call.principal, []).append(call.at)
    return [(name, min(times), max(times), len(times)) for name, times in seen.items()]


async def seen(transaction: Transaction, replica: str, now: float) -> None:
    """Note that a replica uses the database now."""
    await transaction.execute(ADD_REPLICA, replica, now)


async def retain(transaction: Transaction, before: float, now: float, used: float, max_bytes: int, step: int) -> int:
    """Delete at most `step` records of each kind: those from before a time, the oldest calls of a database that uses
    more than `max_bytes`, with the sessions that ended before these, and sign-ins beyond MOST_SIGN_INS. Returns how
    many.
    """
    crowded = used > max_bytes
    where, limits = ("", ()) if crowded else (" WHERE at < ?", (before,))
    sql = f"SELECT id, at FROM calls{where} ORDER BY at, id LIMIT ?"  # noqa: S608
    found = await transaction.fetch(sql, *limits, step)
    ids = [(number,) for number, _ in found]
    if ids:
        await transaction.execute(PEAK)
        await transaction.execute("UPDATE counters SET value = value - ? WHERE name = 'stored'", len(ids))
        await transaction.many("DELETE FROM call_details WHERE id = ?", ids)
        await transaction.many("DELETE FROM calls WHERE id = ?", ids)
    [(last,)] = await transaction.fetch("SELECT value FROM counters WHERE name = 'sign_ins'")
    deleted = len(ids)
    deleted += await transaction.execute(TOO_MANY_SIGN_INS, last - MOST_SIGN_INS, step)
    for sql, values in _old(before, max(before, found[-1][1]) if found else before, now):
        deleted += await transaction.execute(sql, *values, step)
    return deleted


def _old(before: float, oldest: float, now: float) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The statements that delete all but calls, without the last value: how many. `oldest` is the time before which
    there are no calls.
    """
    for table, key, column in AGED:
        found = f"SELECT {key} FROM {table} WHERE {column} < ? ORDER BY {column} LIMIT ?"  # noqa: S608
        yield f"DELETE FROM {table} WHERE {key} IN ({found})", (before,)  # noqa: S608
    found = "SELECT id FROM sessions WHERE began < ? AND COALESCE(ended, began) < ? ORDER BY began LIMIT ?"
    yield f"DELETE FROM sessions WHERE id IN ({found})", (oldest, oldest)  # noqa: S608
    key = ", ".join(usage.KEYS)
    for interval in (usage.MINUTE, usage.HOUR, usage.DAY):
        until = max(before, now - usage.KEPT[interval]) if interval in usage.KEPT else before
        for scope in usage.SCOPES:
            found = f"SELECT {key} FROM usage WHERE scope = ? AND width = ? AND at < ? ORDER BY at LIMIT ?"  # noqa: S608
            yield f"DELETE FROM usage WHERE ({key}) IN ({found})", (scope, interval, int(until) - interval)  # noqa: S608
