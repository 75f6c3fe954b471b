"""Answers questions about the records in an SQL database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.models import (
    CallDetails,
    CallRecord,
    CallRecords,
    ChangeRecord,
    ChangeRecords,
    ReadCall,
    ReadCalls,
    ReadChanges,
    ReadRecordedPrincipals,
    ReadRecordedSessions,
    ReadSignIns,
    ReadUsage,
    RecordedPrincipal,
    RecordedPrincipals,
    RecordedSession,
    RecordedSessions,
    SignInRecord,
    SignInRecords,
    Usage,
)
from recorder import usage
from recorder.errors import NoSuchRecord
from recorder.sql import queries
from recorder.sql.database import Fetch, Row
from recorder.sql.queries import EVERY, Condition, Page, Place, Query

PRINCIPAL = ("name", "first", "last", "calls")
CHANGE = tuple({"hash_before": "before", "hash_after": "after"}.get(name, name) for name in queries.CHANGES)


class Reader:
    """Asks by `fetch`, and makes answers of rows."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def calls(self, request: ReadCalls) -> CallRecords:
        """The answer to `read_calls`."""
        last = await self._last("calls")
        rows, following = await self._page(queries.of_calls(request), request.before, known(request.after, last))
        found = tuple(CallRecord.model_validate(dict(zip(queries.CALLS, row, strict=True))) for row in rows)
        return CallRecords(calls=found, next=following, last=highest(last, found))

    async def call(self, request: ReadCall) -> CallDetails:
        """The answer to `read_call`. Raises NoSuchRecord."""
        columns = ", ".join(f"calls.{name}" for name in queries.CALLS)
        sql = (
            f"SELECT {columns}, arguments, result, cut FROM calls "  # noqa: S608
            "LEFT JOIN call_details ON call_details.id = calls.id WHERE calls.id = ?"
        )
        rows = await self._fetch(sql, request.id)
        if not rows:
            raise NoSuchRecord(f"No call with the id {request.id} is recorded.")
        *values, arguments, result, cut = rows[0]
        record = CallRecord.model_validate(dict(zip(queries.CALLS, values, strict=True)))
        return CallDetails(call=record, arguments=arguments, result=result, cut=bool(cut))

    async def usage(self, request: ReadUsage, now: float) -> Usage:
        """The answer to `read_usage`."""
        span = usage.span(request, now)
        names = [str(name) for (name,) in await self._ask(queries.busiest(request, span))]
        if not names:
            return usage.answer(span, [], [], {})
        rows = await self._ask(queries.figures(request, span, names))
        found = [(at, name or usage.NONE, _figures(values)) for at, name, *values in rows]
        totals = {at: _figures(values) for at, *values in await self._ask(queries.all_figures(request, span))}
        return usage.answer(span, [name or usage.NONE for name in names], found, totals)

    async def changes(self, request: ReadChanges) -> ChangeRecords:
        """The answer to `read_changes`."""
        last = await self._last("changes")
        rows, following = await self._page(queries.of_changes(request), request.before, known(request.after, last))
        found = tuple(ChangeRecord.model_validate(dict(zip(CHANGE, row, strict=True))) for row in rows)
        return ChangeRecords(changes=found, next=following, last=highest(last, found))

    async def sign_ins(self, request: ReadSignIns) -> SignInRecords:
        """The answer to `read_sign_ins`."""
        last = await self._last("sign_ins")
        rows, following = await self._page(queries.of_sign_ins(request), request.before, None)
        found = tuple(SignInRecord.model_validate(dict(zip(queries.SIGN_INS, row, strict=True))) for row in rows)
        return SignInRecords(sign_ins=found, next=following, last=highest(last, found))

    async def sessions(self, request: ReadRecordedSessions) -> RecordedSessions:
        """The answer to `read_recorded_sessions`."""
        rows = await self._ask(queries.sessions(request))
        found = tuple(RecordedSession.model_validate(dict(zip(queries.SESSIONS, row, strict=True))) for row in rows)
        return RecordedSessions(sessions=found)

    async def principals(self, request: ReadRecordedPrincipals) -> RecordedPrincipals:
        """The answer to `read_recorded_principals`."""
        rows = await self._ask(queries.principals(request))
        found = tuple(RecordedPrincipal.model_validate(dict(zip(PRINCIPAL, row, strict=True))) for row in rows)
        return RecordedPrincipals(principals=found)

    async def replicas(self) -> tuple[str, ...]:
        """The names of the replicas whose records the database has."""
        return tuple(str(name) for (name,) in await self._fetch("SELECT name FROM replicas ORDER BY name"))

    async def counter(self, name: str) -> int:
        """The value of a counter."""
        [(value,)] = await self._fetch("SELECT value FROM counters WHERE name = ?", name)
        return int(value)

    _last = counter

    async def _ask(self, query: Query) -> list[Row]:
        return await self._fetch(query.sql, *query.values)

    async def _page(self, page: Page, before: int | None, after: int | None) -> tuple[list[Row], int | None]:
        """The rows of a page, and `next` of its answer."""
        if after is not None:
            return await self._following(page, after)
        cursor = None
        if before is not None:
            cursor = await self._place(page.table, before)
            if cursor is None:  # deleted, as the oldest record: so are those that were older
                return [], None
        driver, end = await self._driver(page, cursor)
        rows = await self._ask(queries.rows_of(page, driver, cursor, end))
        return _cut(rows, page.limit, end.id if end else None)

    async def _following(self, page: Page, after: int) -> tuple[list[Row], int | None]:
        filtered = page.conditions or page.others or page.since or page.until is not None
        ends = await self._ask(queries.end_of_following(page, after)) if filtered else []
        end = int(ends[0][0]) if ends else None
        return _cut(await self._ask(queries.following(page, after, end)), page.limit, end)

    async def _place(self, table: str, number: int) -> Place | None:
        rows = await self._fetch(f"SELECT at, id FROM {table} WHERE id = ?", number)  # noqa: S608
        return Place(*rows[0]) if rows else None

    async def _driver(self, page: Page, cursor: Place | None) -> tuple[Condition, Place | None]:
        """The condition along whose index a page is read, and where it has to end: the one that leads farthest."""
        candidates = page.conditions or (EVERY,)
        if len(candidates) == 1 and not page.others:
            return candidates[0], None
        chosen, farthest = candidates[0], None
        for number, condition in enumerate(candidates):
            rows = await self._ask(queries.end_of_scan(page, condition, cursor))
            if not rows:
                return condition, None
            place = Place(*rows[0])
            if not number or farthest is None or place < farthest:
                chosen, farthest = condition, place
        return chosen, farthest


def known(after: int | None, last: int) -> int | None:
    """The id to follow from. One beyond `last`, the highest stored, is of a database that was replaced by this one:
    all records of this one are new then."""
    return after if after is None or after <= last else 0


def highest(last: int, found: Sequence[CallRecord | ChangeRecord | SignInRecord]) -> int:
    """The id to follow from after these records: some may have been stored after `last` was read, and must not be sent
    twice. Ids are committed in order, so that every record up to the highest one was there when they were read."""
    return max(last, *(record.id for record in found)) if found else last


def _figures(values: list[Any]) -> usage.Figures:
    calls, failed, seconds, *buckets = values
    return usage.Figures(calls, failed, seconds, tuple(buckets))


def _cut(rows: list[Row], limit: int, end: int | None) -> tuple[list[Row], int | None]:
    """The rows without the one beyond the limit, and the id from which the next page goes on: a row's, or the end's."""
    if len(rows) > limit:
        return rows[:limit], int(rows[limit - 1][0])
    return rows, end
