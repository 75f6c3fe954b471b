"""The SQL of questions about calls, changes and sign-ins (pure).

A page is read along one index, from its cursor on, in the order of `at` and `id`. A filter without that index, or a
second one, is applied to what is found there. So that rare combinations of common values cannot make a question slow,
a page looks at SCAN rows of the index at most, and says where the next page goes on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from bridge.models import (
    Model,
    ReadCalls,
    ReadChanges,
    ReadRecordedPrincipals,
    ReadRecordedSessions,
    ReadSignIns,
    ReadUsage,
)
from recorder.usage import Span

SCAN = 5_000
"""Rows of an index that a page looks at, at most."""
CALLS = (
    *("id", "at", "seconds", "waited", "workspace", "session", "principal", "address", "transport", "era", "method"),
    *("server", "tool", "outcome", "code", "correlation", "trace", "arguments_size", "result_size", "replica"),
)
CHANGES = (
    *("id", "at", "principal", "source", "kind", "subject", "change", "hash_before", "hash_after", "diff", "replica"),
)
SIGN_INS = ("id", "at", "principal", "address", "way", "outcome", "replica")
SESSIONS = ("id", "workspace", "principal", "transport", "client", "began", "ended", "calls", "replica")
FIGURES = ("calls", "failed", "seconds", *(f"b{number}" for number in range(17)))


class Condition(NamedTuple):
    """A part of WHERE, and the values of its placeholders."""

    indexed: str
    """In the form for which an index is used."""
    filtered: str
    """In a form for which no index is used: the planner must not take another one than that which bounds the page."""
    values: tuple[Any, ...] = ()


class Query(NamedTuple):
    """SQL and the values of its placeholders."""

    sql: str
    values: tuple[Any, ...]


class Place(NamedTuple):
    """Where in the order of a page a record stands."""

    at: float
    id: int


class Page(NamedTuple):
    """A question for one page: all but the index to read it along."""

    table: str
    columns: tuple[str, ...]
    conditions: tuple[Condition, ...]
    """Those with an index of their own."""
    others: tuple[Condition, ...]
    since: float
    until: float | None
    limit: int


def equal(column: str, value: str, partial: bool = False) -> Condition:
    """The column has this value. `partial`: its index has no empty values."""
    indexed = f"{column} = ? AND {column} <> ''" if partial else f"{column} = ?"
    return Condition(indexed, f"{column} || '' = ?", (value,))


FAILED = Condition("outcome <> 'ok'", "outcome || '' <> 'ok'")
PARTIAL = ("session", "correlation", "replica")
"""Columns whose indexes have no empty values."""
EVERY = Condition("", "")
"""Matches every record; its index is that of `at`."""


def of_calls(request: ReadCalls) -> Page:
    """The question of `read_calls`."""
    named = _named(request, "correlation", "session", "tool", "principal", "server", "workspace", "replica")
    others = []
    if request.outcome == "failed":
        named.append(FAILED)
    elif request.outcome == "ok":
        others.append(equal("outcome", "ok"))
    elif request.outcome:
        named.append(Condition("outcome = ? AND outcome <> 'ok'", "outcome || '' = ?", (request.outcome,)))
    return Page("calls", CALLS, tuple(named), tuple(others), request.since, request.until, request.limit)


def of_changes(request: ReadChanges) -> Page:
    """The question of `read_changes`."""
    named = _named(request, "subject", "principal", "source", "replica")
    return Page("changes", CHANGES, tuple(named), (), request.since, request.until, request.limit)


def of_sign_ins(request: ReadSignIns) -> Page:
    """The question of `read_sign_ins`."""
    named = _named(request, "replica")
    return Page("sign_ins", SIGN_INS, tuple(named), (), request.since, None, request.limit)


def _named(request: Model, *columns: str) -> list[Condition]:
    """The conditions of those columns that the request asks about."""
    return [equal(column, value, column in PARTIAL) for column in columns if (value := getattr(request, column))]


def end_of_scan(page: Page, driver: Condition, cursor: Place | None) -> Query:
    """Where a page that is read along this condition's index has to end."""
    where, values = _where([driver.indexed, *_times(page, cursor)], [*driver.values, *_time_values(page, cursor)])
    sql = f"SELECT at, id FROM {page.table}{where} ORDER BY at DESC, id DESC LIMIT 1 OFFSET {SCAN - 1}"  # noqa: S608
    return Query(sql, values)


def rows_of(page: Page, driver: Condition, cursor: Place | None, end: Place | None) -> Query:
    """The rows of a page, read along this condition's index up to `end`; one more than its limit."""
    rest = [each for each in (*page.conditions, *page.others) if each is not driver]
    parts = [driver.indexed, *_times(page, cursor), "(at, id) >= (?, ?)" if end else ""]
    values = [*driver.values, *_time_values(page, cursor), *(end or ())]
    parts += [each.filtered for each in rest]
    values += [value for each in rest for value in each.values]
    where, given = _where(parts, values)
    columns = ", ".join(page.columns)
    sql = f"SELECT {columns} FROM {page.table}{where} ORDER BY at DESC, id DESC LIMIT ?"  # noqa: S608
    return Query(sql, (*given, page.limit + 1))


def end_of_following(page: Page, after: int) -> Query:
    """The id at which a page of records after an id has to end."""
    return Query(f"SELECT id FROM {page.table} WHERE id > ? ORDER BY id LIMIT 1 OFFSET {SCAN - 1}", (after,))  # noqa: S608


def following(page: Page, after: int, end: int | None) -> Query:
    """The rows after an id, in order of ids; one more than the limit."""
    parts = ["id > ?", "id <= ?" if end else "", "at + 0 >= ?" if page.since else ""]
    values = [after, *([end] if end else []), *([page.since] if page.since else [])]
    if page.until is not None:
        parts.append("at + 0 < ?")
        values.append(page.until)
    rest = (*page.conditions, *page.others)
    where, given = _where(
        [*parts, *(each.filtered for each in rest)], [*values, *(value for each in rest for value in each.values)]
    )
    columns = ", ".join(page.columns)
    return Query(f"SELECT {columns} FROM {page.table}{where} ORDER BY id LIMIT ?", (*given, page.limit + 1))  # noqa: S608


def _times(page: Page, cursor: Place | None) -> list[str]:
    return [
        "at >= ?" if page.since else "",
        "at < ?" if page.until is not None else "",
        "(at, id) < (?, ?)" if cursor else "",
    ]


def _time_values(page: Page, cursor: Place | None) -> list[float]:
    return [
        *([page.since] if page.since else []),
        *([page.until] if page.until is not None else []),
        *(cursor or ()),
    ]


def _where(parts: list[str], values: list[Any]) -> tuple[str, tuple[Any, ...]]:
    used = [part for part in parts if part]
    return (f" WHERE {' AND '.join(used)}" if used else "", tuple(values))


NAMES = {"tool": "name", "principal": "name", "server": "server", "workspace": "workspace", "replica": "name"}
"""The column of the table `usage` that figures are shown by."""
SCOPES = {"tool": "n", "principal": "p", "server": "t", "workspace": "t", "replica": "r"}
SUMS = ", ".join(f"SUM({each})" if each == "seconds" else f"CAST(SUM({each}) AS bigint)" for each in FIGURES)


def busiest(request: ReadUsage, span: Span) -> Query:
    """The names with most calls."""
    where, values = _of_usage(request, span, SCOPES[request.by])
    name = NAMES[request.by]
    sql = f"SELECT {name} FROM usage{where} GROUP BY {name} ORDER BY SUM(calls) DESC, {name} LIMIT ?"  # noqa: S608
    return Query(sql, (*values, request.limit))


def figures(request: ReadUsage, span: Span, names: list[str]) -> Query:
    """The figures of these names, by interval and name: looked up one by one, as all are many more."""
    name, times = NAMES[request.by], range(span.since, span.until, span.interval)
    parts, values = _filters(request, span, SCOPES[request.by])
    parts += [f"at IN ({', '.join('?' * len(times))})", f"{name} IN ({', '.join('?' * len(names))})"]
    where, given = _where(parts, [*values, *times, *names])
    return Query(f"SELECT at, {name}, {SUMS} FROM usage{where} GROUP BY at, {name}", given)  # noqa: S608


def all_figures(request: ReadUsage, span: Span) -> Query:
    """The figures of all calls, by interval."""
    where, values = _of_usage(request, span, "t")
    return Query(f"SELECT at, {SUMS} FROM usage{where} GROUP BY at", values)  # noqa: S608


def _of_usage(request: ReadUsage, span: Span, scope: str) -> tuple[str, tuple[Any, ...]]:
    parts, values = _filters(request, span, scope)
    return _where([*parts, "at >= ?", "at < ?"], [*values, span.since, span.until])


def _filters(request: ReadUsage, span: Span, scope: str) -> tuple[list[str], list[Any]]:
    filters = [(column, value) for column in ("workspace", "server") if (value := getattr(request, column))]
    parts = ["scope = ?", "width = ?", *(f"{column} = ?" for column, _ in filters)]
    return parts, [scope, span.interval, *(value for _, value in filters)]


def sessions(request: ReadRecordedSessions) -> Query:
    """The newest sessions."""
    named = _named(request, "workspace", "replica")
    where, values = _where([each.indexed for each in named], [value for each in named for value in each.values])
    sql = f"SELECT {', '.join(SESSIONS)} FROM sessions{where} ORDER BY began DESC, id DESC LIMIT ?"  # noqa: S608
    return Query(sql, (*values, request.limit))


def principals(request: ReadRecordedPrincipals) -> Query:
    """The principals that were seen last."""
    sql = "SELECT name, first_seen, last_seen, calls FROM principals ORDER BY last_seen DESC, name DESC LIMIT ?"
    return Query(sql, (request.limit,))
