"""A store in memory, for tests. It computes every answer from the records themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from bridge.models import (
    CallDetails,
    CallRecord,
    CallRecords,
    ChangeRecord,
    ChangeRecords,
    OptimizeReport,
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
from recorder.batch import Batch, Loss, NewCall, NewChange, NewSession, NewSignIn, clean, clean_calls, stored_already
from recorder.errors import NoSuchRecord
from recorder.store import MOST_SIGN_INS, RETAIN_STEP, StoreStatus

DETAILS = ("arguments", "result", "cut")
RECORD_BYTES = 500
"""What each call counts for in `retain`, beside its arguments and result."""
R = TypeVar("R", CallRecord, ChangeRecord, SignInRecord)


class MemoryStore:
    """A `Store` (recorder/store.py). `fault` is raised by `append` while it is set. `replica` is the hub's name."""

    def __init__(self, replica: str = "") -> None:
        self._replica = replica
        self.fault: Exception | None = None
        self._calls: list[tuple[CallRecord, NewCall]] = []
        self._changes: list[ChangeRecord] = []
        self._sign_ins: list[SignInRecord] = []
        self._sessions: dict[str, RecordedSession] = {}
        self._principals: dict[str, RecordedPrincipal] = {}
        self._lost: list[Loss] = []
        self._positions: dict[str, int] = {}
        self._ids = {"calls": 0, "changes": 0, "sign_ins": 0}

    async def open(self) -> None:
        """Nothing is to be opened."""

    async def close(self) -> None:
        """Nothing is to be closed."""

    async def append(self, batch: Batch) -> None:
        """Add a batch, unless it was."""
        if self.fault:
            raise self.fault
        if stored_already(batch.positions, self._positions):
            return
        for new in batch.sessions:
            known = self._sessions.get(new.id)
            self._sessions[new.id] = known.model_copy(update={"ended": None}) if known else self._session(new)
        for call in clean_calls(batch.calls):
            self._add_call(call)
        for end in batch.ended:
            if end.id in self._sessions:
                self._sessions[end.id] = self._sessions[end.id].model_copy(update={"ended": end.at})
        for change in batch.changes:
            fields = NewChange._make(clean(change))._asdict()
            self._changes.append(ChangeRecord.model_validate(self._named("changes", fields)))
        for sign_in in batch.sign_ins:
            fields = NewSignIn._make(clean(sign_in))._asdict()
            self._sign_ins.append(SignInRecord.model_validate(self._named("sign_ins", fields)))
        self._lost += batch.lost
        self._positions |= batch.positions
        for file in batch.finished:
            self._positions.pop(file, None)

    def _add_call(self, call: NewCall) -> None:
        values = {name: value for name, value in call._asdict().items() if name not in DETAILS}
        self._calls.append((CallRecord.model_validate(self._named("calls", values)), call))
        if known := self._sessions.get(call.session):
            self._sessions[known.id] = known.model_copy(update={"calls": known.calls + 1})
        if call.principal:
            seen = self._principals.get(call.principal)
            first, last = (min(seen.first, call.at), max(seen.last, call.at)) if seen else (call.at, call.at)
            calls = seen.calls + 1 if seen else 1
            self._principals[call.principal] = RecordedPrincipal(
                name=call.principal, first=first, last=last, calls=calls
            )

    def _named(self, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of a record with its id and the replica's name."""
        self._ids[kind] += 1
        return {"id": self._ids[kind], "replica": self._replica, **fields}

    def _session(self, new: NewSession) -> RecordedSession:
        fields = NewSession._make(clean(new))._asdict()
        return RecordedSession.model_validate({**fields, "replica": self._replica})

    async def positions(self) -> dict[str, int]:
        """The positions of all files."""
        return dict(self._positions)

    async def read_calls(self, request: ReadCalls) -> CallRecords:
        """One page of calls."""
        filters = ("workspace", "server", "tool", "principal", "session", "correlation", "replica")
        wanted = {name: getattr(request, name) for name in filters if getattr(request, name)}

        def matches(call: CallRecord) -> bool:
            failed = request.outcome == "failed" and call.outcome != "ok"
            outcome = failed or request.outcome in ("", call.outcome)
            return outcome and all(getattr(call, name) == value for name, value in wanted.items())

        found, following = _page([call for call, _ in self._calls], request, matches, self._ids["calls"])
        return CallRecords(calls=found, next=following, last=self._ids["calls"])

    async def read_call(self, request: ReadCall) -> CallDetails:
        """One call."""
        for record, call in self._calls:
            if record.id == request.id:
                return CallDetails(call=record, arguments=call.arguments, result=call.result, cut=call.cut)
        raise NoSuchRecord(f"No call with the id {request.id} is recorded.")

    async def read_usage(self, request: ReadUsage, now: float) -> Usage:
        """Figures of all calls of the range."""
        span = usage.span(request, now)
        rows = []
        for _, call in self._calls:
            known = request.workspace in ("", call.workspace) and request.server in ("", call.server)
            if known and span.since <= call.at < span.until:
                name = (self._replica or usage.NONE) if request.by == "replica" else _name(call, request.by)
                rows.append((usage.begin(call.at, span.interval), name, usage.Figures.of_call(call)))
        names = usage.busiest(rows, request.limit)
        return usage.answer(span, names, [row for row in rows if row[1] in names], usage.totals(rows))

    async def read_changes(self, request: ReadChanges) -> ChangeRecords:
        """One page of changes."""
        filters = ("principal", "source", "subject", "replica")
        wanted = {name: getattr(request, name) for name in filters if getattr(request, name)}
        found, following = _page(
            self._changes,
            request,
            lambda each: all(getattr(each, name) == value for name, value in wanted.items()),
            self._ids["changes"],
        )
        return ChangeRecords(changes=found, next=following, last=self._ids["changes"])

    async def read_sign_ins(self, request: ReadSignIns) -> SignInRecords:
        """One page of sign-ins."""
        found, following = _page(
            self._sign_ins, request, lambda each: request.replica in ("", each.replica), self._ids["sign_ins"]
        )
        return SignInRecords(sign_ins=found, next=following, last=self._ids["sign_ins"])

    async def read_recorded_sessions(self, request: ReadRecordedSessions) -> RecordedSessions:
        """The newest sessions."""
        found = [
            each
            for each in self._sessions.values()
            if request.workspace in ("", each.workspace) and request.replica in ("", each.replica)
        ]
        found.sort(key=lambda each: (each.began, each.id), reverse=True)
        return RecordedSessions(sessions=tuple(found[: request.limit]))

    async def read_recorded_principals(self, request: ReadRecordedPrincipals) -> RecordedPrincipals:
        """The principals seen last."""
        found = sorted(self._principals.values(), key=lambda each: (each.last, each.name), reverse=True)
        return RecordedPrincipals(principals=tuple(found[: request.limit]))

    async def status(self) -> StoreStatus:
        """What is stored."""
        oldest = min((call.at for call, _ in self._calls), default=None)
        lost = sum(each.records for each in self._lost)
        replicas = (self._replica,) if self._replica else ()
        return StoreStatus("memory", 1, len(self._calls), oldest, None, lost, replicas)

    async def retain(self, before: float, max_bytes: int) -> int:
        """Delete the oldest records."""
        sizes = [len(self._calls), len(self._changes), len(self._sign_ins), len(self._sessions), len(self._principals)]
        used = sum(_bytes(call) for _, call in self._calls)
        oldest = sorted(self._calls, key=lambda each: (each[0].at, each[0].id))[:RETAIN_STEP]
        gone = {record.id: record.at for record, _ in oldest if record.at < before or used > max_bytes}
        end = max([before, *gone.values()])
        self._calls = [each for each in self._calls if each[0].id not in gone]
        self._changes = [each for each in self._changes if each.at >= before]
        first = self._ids["sign_ins"] - MOST_SIGN_INS
        self._sign_ins = [each for each in self._sign_ins if each.at >= before and each.id > first]
        sessions, principals = self._sessions, self._principals
        self._sessions = {key: each for key, each in sessions.items() if (each.ended or each.began) >= end}
        self._principals = {name: each for name, each in principals.items() if each.last >= before}
        left = [len(self._calls), len(self._changes), len(self._sign_ins), len(self._sessions), len(self._principals)]
        return sum(sizes) - sum(left)

    async def optimize(self, dry_run: bool) -> OptimizeReport:
        """Nothing is to be done."""
        return OptimizeReport(steps=(), before=0, after=0)


def _bytes(call: NewCall) -> int:
    return RECORD_BYTES + len(call.arguments or "") + len(call.result or "")


def _name(call: NewCall, by: str) -> str:
    return (
        usage.tool_name(call.server, call.method, call.tool) if by == "tool" else str(getattr(call, by)) or usage.NONE
    )


def _page(
    records: Iterable[R], request: ReadCalls | ReadChanges | ReadSignIns, matches: Callable[[R], bool], last: int
) -> tuple[tuple[R, ...], int | None]:
    """The records of one page, and `next`. `last` is the highest id stored."""
    after: int | None = getattr(request, "after", None)
    if after is not None and after > last:  # of another store, which this one has replaced
        after = 0
    until: float | None = getattr(request, "until", None)
    ordered = sorted(records, key=lambda each: (each.at, each.id), reverse=True)
    if after is not None:
        ordered = sorted((each for each in ordered if each.id > after), key=lambda each: each.id)
    elif request.before is not None:
        ordered = _behind(ordered, request.before)
    wanted = [each for each in ordered if each.at >= request.since and (until is None or each.at < until)]
    found = [each for each in wanted if matches(each)]
    page = found[: request.limit]
    return tuple(page), page[-1].id if len(found) > len(page) else None


def _behind(ordered: Sequence[R], cursor: int) -> list[R]:
    """Those older than the record with the id; none if it was deleted, as it was the oldest then."""
    places = [number for number, each in enumerate(ordered) if each.id == cursor]
    return list(ordered[places[0] + 1 :]) if places else []
