"""Stores batches in an SQL database, and deletes what is too old or too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from recorder import usage
from recorder.batch import Batch, NewCall, clean, stored_already
from recorder.sql import queries
from recorder.sql.database import Row, Transaction

RECORDED = len(queries.CALLS) - 1
"""How many of the fields of `NewCall` are columns of `calls`; the others are its details."""
ADD_SESSION = (
    "INSERT INTO sessions (id, workspace, principal, transport, client, began) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET ended = NULL"  # the hub was started again, and resumed it
)
ADD_PRINCIPAL = (
    "INSERT INTO principals (name, first_seen, last_seen, calls) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET calls = principals.calls + excluded.calls, "
    "first_seen = CASE WHEN excluded.first_seen < principals.first_seen THEN excluded.first_seen "
    "ELSE principals.first_seen END, "
    "last_seen = CASE WHEN excluded.last_seen > principals.last_seen THEN excluded.last_seen "
    "ELSE principals.last_seen END"
)
ADD_POSITION = (
    "INSERT INTO positions (file, bytes) VALUES (?, ?) ON CONFLICT (file) DO UPDATE SET bytes = excluded.bytes"
)
ADD_LOSS = (
    "INSERT INTO lost (at, records) VALUES (?, ?) "
    "ON CONFLICT (at) DO UPDATE SET records = lost.records + excluded.records"
)

PEAK = (
    "UPDATE counters SET value = (SELECT MAX(value) FROM counters WHERE name IN ('stored', 'peak')) WHERE name = 'peak'"
)


async def append(transaction: Transaction, batch: Batch, now: float) -> None:
    """Store a batch, unless its positions say that it is stored."""
    # This comes first: it makes the transactions of replicas wait for each other, so that ids are committed in order.
    added = len(batch.calls)
    await transaction.execute("UPDATE counters SET value = value + ? WHERE name = 'calls'", added)
    positions = {str(file): int(end) for file, end in await transaction.fetch("SELECT file, bytes FROM positions")}
    if stored_already(batch.positions, positions):
        await transaction.execute("UPDATE counters SET value = value - ? WHERE name = 'calls'", added)
        return
    await transaction.many(ADD_SESSION, [clean(each) for each in batch.sessions])
    await _add_calls(transaction, [NewCall._make(clean(call)) for call in batch.calls], now)
    await transaction.many("UPDATE sessions SET ended = ? WHERE id = ?", [(each.at, each.id) for each in batch.ended])
    await _add(transaction, "changes", queries.CHANGES, batch.changes)
    await _add(transaction, "sign_ins", queries.SIGN_INS, batch.sign_ins)
    await transaction.many(ADD_LOSS, [(usage.begin(each.at, usage.HOUR), each.records) for each in batch.lost])
    await transaction.many(ADD_POSITION, list(batch.positions.items()))
    await transaction.many("DELETE FROM positions WHERE file = ?", [(file,) for file in batch.finished])


async def _add(transaction: Transaction, table: str, columns: Sequence[str], records: Sequence[Row]) -> None:
    if records:
        first = await _counted(transaction, table, len(records))
        rows = [(number, *clean(each)) for number, each in enumerate(records, first)]
        await transaction.insert(table, columns, rows)


async def _counted(transaction: Transaction, table: str, added: int) -> int:
    """The first of the ids of further records."""
    await transaction.execute("UPDATE counters SET value = value + ? WHERE name = ?", added, table)
    [(last,)] = await transaction.fetch("SELECT value FROM counters WHERE name = ?", table)
    return int(last) - added + 1


async def _add_calls(transaction: Transaction, calls: Sequence[NewCall], now: float) -> None:
    if not calls:
        return
    [(last,)] = await transaction.fetch("SELECT value FROM counters WHERE name = 'calls'")
    numbered = list(enumerate(calls, int(last) - len(calls) + 1))
    await transaction.insert("calls", queries.CALLS, [(number, *call[:RECORDED]) for number, call in numbered])
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
    await transaction.add_up("usage", usage.KEYS, queries.FIGURES, usage.count(calls, now))


def _principals(calls: Iterable[NewCall]) -> list[Row]:
    seen: dict[str, tuple[float, float, int]] = {}
    for call in calls:
        if call.principal:
            first, last, number = seen.get(call.principal, (call.at, call.at, 0))
            seen[call.principal] = (min(first, call.at), max(last, call.at), number + 1)
    return [(name, *values) for name, values in seen.items()]


async def retain(transaction: Transaction, before: float, now: float, used: float, max_bytes: int, step: int) -> int:
    """Delete at most `step` records of each kind: those from before a time, and the oldest calls of a database that
    uses more than `max_bytes`. Returns how many.
    """
    where, limits = ("", ()) if used > max_bytes else (" WHERE at < ?", (before,))
    found = await transaction.fetch(f"SELECT id FROM calls{where} ORDER BY at, id LIMIT ?", *limits, step)  # noqa: S608
    if found:
        await transaction.execute(PEAK)
        await transaction.execute("UPDATE counters SET value = value - ? WHERE name = 'stored'", len(found))
        await transaction.many("DELETE FROM call_details WHERE id = ?", found)
        await transaction.many("DELETE FROM calls WHERE id = ?", found)
    deleted = len(found)
    for sql, values in _old(before, now):
        deleted += await transaction.execute(sql, *values, step)
    return deleted


def _old(before: float, now: float) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The statements that delete all but calls, without the last value: how many."""
    for table, key, column in (("changes", "id", "at"), ("sign_ins", "id", "at"), ("principals", "name", "last_seen")):
        found = f"SELECT {key} FROM {table} WHERE {column} < ? ORDER BY {column} LIMIT ?"  # noqa: S608
        yield f"DELETE FROM {table} WHERE {key} IN ({found})", (before,)  # noqa: S608
    found = "SELECT id FROM sessions WHERE began < ? AND COALESCE(ended, began) < ? ORDER BY began LIMIT ?"
    yield f"DELETE FROM sessions WHERE id IN ({found})", (before, before)  # noqa: S608
    key = ", ".join(usage.KEYS)
    for interval in (usage.MINUTE, usage.HOUR, usage.DAY):
        until = max(before, now - usage.KEPT[interval]) if interval in usage.KEPT else before
        for scope in usage.SCOPES:
            found = f"SELECT {key} FROM usage WHERE scope = ? AND width = ? AND at < ? ORDER BY at LIMIT ?"  # noqa: S608
            yield f"DELETE FROM usage WHERE ({key}) IN ({found})", (scope, interval, int(until) - interval)  # noqa: S608
