"""Recorded calls, sessions, configuration changes and sign-ins: what the recorder stores, and how it is read.

The recorder (recorder/) serves these kinds at its own socket, `records`. Times are Unix times in seconds.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.models.base import Model, Request

MAX_RECORDS = 500
"""Records in one answer."""


class CallRecord(Model):
    """One request of a client to a server, or one that the hub refused."""

    id: int
    """Assigned by the store, for all replicas that share it; a later record has a higher id."""
    at: float
    """When the request entered."""
    seconds: float
    """From its entry to its answer."""
    waited: float = 0.0
    """Seconds of these in which it waited for the server's gate."""
    workspace: str = ""
    session: str = ""
    """The session's id as in `SessionStatus`; empty for modern clients."""
    principal: str = ""
    """The name of the key, or of the user; `local` for console and hubctl; `everybody` in a hub without a token."""
    address: str = ""
    """The client's address; only of requests that were refused before their message was read."""
    transport: str = ""
    era: Literal["legacy", "modern", ""] = ""
    method: str = ""
    server: str = ""
    """The server's key; empty if none was asked."""
    tool: str = ""
    """The tool's name at its server, or the name of the prompt or the URI of the resource."""
    outcome: str
    """`ok`, `tool_error`, `error`, `cancelled`, `disconnected`, `refused`, or the code of the hub's error."""
    code: str = ""
    """The code of the hub's error; of a refused request as well."""
    correlation: str = ""
    trace: str = ""
    """The trace id (32 hexadecimal digits), if the client sent one."""
    arguments_size: int | None = None
    """Bytes; None unless the workspace or the server records sizes."""
    result_size: int | None = None
    replica: str = ""
    """The name of the hub's replica that recorded it (HUB_REPLICA); empty if it had none."""


class CallDetails(Model):
    """One recorded call with its arguments and result: JSON text, cut and redacted as configured; None if not kept."""

    call: CallRecord
    arguments: str | None = None
    result: str | None = None
    cut: bool = False
    """Whether arguments or result were longer than what is kept."""


class CallRecords(Model):
    """Recorded calls, newest first."""

    calls: tuple[CallRecord, ...]
    next: int | None = None
    """For the next page: `before` of its request (or `after`, if this request had one); None if this is the last one.

    A request looks at a bounded number of records. A page may therefore hold fewer than `limit`, even none, although
    there is a next one: ask on.
    """
    last: int = 0
    """The highest id stored: `after`, to follow from here."""


class ReadCalls(Request[CallRecords], kind="read_calls", sockets=("records",)):
    """Read recorded calls, newest first (by the time at which they entered). Empty filters match all."""

    since: float = 0.0
    """Only those that entered at this time or later."""
    until: float | None = None
    """Only those that entered before."""
    workspace: str = ""
    server: str = ""
    tool: str = ""
    principal: str = ""
    session: str = ""
    outcome: str = ""
    """An outcome, or `failed` for all but `ok`."""
    correlation: str = ""
    replica: str = ""
    before: int | None = None
    """Only those older than the record with this id."""
    after: int | None = None
    """Only those with a higher id, in order of ids, which is that of their ends: for following."""
    wait: float = Field(0.0, ge=0.0, le=30.0)
    """Seconds to wait for records, if there are none after `after`."""
    limit: int = Field(100, ge=1, le=MAX_RECORDS)


class ReadCall(Request[CallDetails], kind="read_call", sockets=("records",)):
    """Read one recorded call with arguments and result, as far as they were kept."""

    id: int


class UsagePoint(Model):
    """Calls within one interval. Quantiles of the duration in seconds are estimated from buckets."""

    at: float
    """The interval's begin."""
    name: str
    """The tool (`server/tool`), principal, server, workspace or replica; `(others)` for all beyond the busiest."""
    calls: int
    failed: int
    seconds: float
    """The sum of the durations."""
    p50: float
    p95: float
    p99: float


class Usage(Model):
    """Figures by interval, oldest first."""

    interval: float
    """Seconds."""
    points: tuple[UsagePoint, ...]
    """One for each name and interval with calls."""
    all: tuple[UsagePoint, ...] = ()
    """One for each interval with calls, of all names together; `name` is empty."""
    totals: tuple[UsagePoint, ...] = ()
    """One for each name over the whole range, most calls first, then `(others)`; before them one with an empty name,
    of all calls. `at` is the range's begin. Quantiles cannot be summed, so the store estimates those of each."""


class ReadUsage(Request[Usage], kind="read_usage", sockets=("records",)):
    """Read figures of a range of time, by one property of the calls."""

    range: Literal["hour", "day", "month"]
    by: Literal["tool", "principal", "server", "workspace", "replica"] = "tool"
    workspace: str = ""
    server: str = ""
    limit: int = Field(20, ge=1, le=100)
    """How many names are told apart: those with most calls."""


class ChangeRecord(Model):
    """One change of the configuration."""

    id: int
    at: float
    principal: str = ""
    """Who made it; empty if unknown, as for an edit of a file."""
    source: Literal["console", "hubctl", "api", "yamcp-ui", "file", "tool"]
    """Where it was made, as in `Author`; `file`: an edit of a file."""
    kind: str
    """The request's kind, such as `put_server`, or `file` for an edit that was seen in a file."""
    subject: str = ""
    """The server or workspace, or the number of entries."""
    change: str = ""
    """The adapter's id of the change, for `undo` (`LastChange.id`); empty if the hub did not make it."""
    before: str
    """The content hash of the configuration before."""
    after: str
    diff: str = ""
    """A unified diff of the configuration with secrets masked, cut at 64 KiB."""
    replica: str = ""
    """As in `CallRecord`."""


class ChangeRecords(Model):
    """Recorded changes, newest first."""

    changes: tuple[ChangeRecord, ...]
    next: int | None = None
    """As in `CallRecords`."""
    last: int = 0


class ReadChanges(Request[ChangeRecords], kind="read_changes", sockets=("records",)):
    """Read recorded changes of the configuration, newest first. Empty filters match all."""

    since: float = 0.0
    until: float | None = None
    principal: str = ""
    source: str = ""
    subject: str = ""
    replica: str = ""
    before: int | None = None
    after: int | None = None
    wait: float = Field(0.0, ge=0.0, le=30.0)
    """Seconds to wait for records, if there are none after `after`."""
    limit: int = Field(100, ge=1, le=MAX_RECORDS)


class SignInRecord(Model):
    """One sign-in at the console, or one attempt that was refused."""

    id: int
    at: float
    principal: str = ""
    address: str = ""
    way: str
    """`token`, `key`, …"""
    outcome: str
    """`ok`, or the code of the error."""
    replica: str = ""
    """As in `CallRecord`."""


class SignInRecords(Model):
    """Recorded sign-ins, newest first."""

    sign_ins: tuple[SignInRecord, ...]
    next: int | None = None
    """As in `CallRecords`."""
    last: int = 0


class ReadSignIns(Request[SignInRecords], kind="read_sign_ins", sockets=("records",)):
    """Read recorded sign-ins, newest first."""

    since: float = 0.0
    replica: str = ""
    before: int | None = None
    limit: int = Field(100, ge=1, le=MAX_RECORDS)


class RecordedSession(Model):
    """A client's session, as far as it was recorded."""

    id: str
    workspace: str
    principal: str = ""
    transport: str
    client: str = ""
    """The client's name and version, as it says."""
    began: float
    ended: float | None = None
    calls: int = 0
    replica: str = ""
    """As in `CallRecord`: the one that had it last."""


class RecordedSessions(Model):
    """Recorded sessions, newest first."""

    sessions: tuple[RecordedSession, ...]


class ReadRecordedSessions(Request[RecordedSessions], kind="read_recorded_sessions", sockets=("records",)):
    """Read recorded sessions, newest first."""

    workspace: str = ""
    replica: str = ""
    limit: int = Field(100, ge=1, le=MAX_RECORDS)


class RecordedPrincipal(Model):
    """A principal of recorded calls."""

    name: str
    first: float
    """When its first recorded call entered."""
    last: float
    calls: int


class RecordedPrincipals(Model):
    """Principals, the one seen last first."""

    principals: tuple[RecordedPrincipal, ...]


class ReadRecordedPrincipals(Request[RecordedPrincipals], kind="read_recorded_principals", sockets=("records",)):
    """Read which principals have called."""

    limit: int = Field(100, ge=1, le=MAX_RECORDS)


class RecordsStatus(Model):
    """The state of the recorder and its database."""

    state: Literal["ok", "behind", "unavailable", "full"]
    reason: str = ""
    """Why it is not `ok`: what happened, and what to do."""
    code: str = ""
    database: Literal["sqlite", "postgresql", "memory"]
    schema_version: int
    calls: int
    """Stored calls; an estimate for large databases."""
    oldest: float | None = None
    size: int | None = None
    """Bytes of the database."""
    spooled: int = 0
    """Bytes that wait in the spool."""
    lost: int = 0
    """Records that could not be kept, since the store was created."""
    replica: str = ""
    """The name of this replica of the hub (HUB_REPLICA)."""
    replicas: tuple[str, ...] = ()
    """Those whose records the database has, this one included; empty if this one has no name. With `sqlite` it is this
    one alone: each replica has a database of its own."""


class ReadRecordsStatus(Request[RecordsStatus], kind="records_status", sockets=("records",)):
    """Learn the state of the recorder and its database."""


class OptimizeStep(Model):
    """One step of `optimize_records`."""

    name: str
    """`analyze`, `vacuum`, `index …`, `retention`."""
    reason: str
    """What it would bring, in figures where known."""
    done: bool
    seconds: float = 0.0


class OptimizeReport(Model):
    """What was done, or would be."""

    steps: tuple[OptimizeStep, ...]
    before: int
    """Bytes."""
    after: int


class OptimizeRecords(Request[OptimizeReport], kind="optimize_records", sockets=("records",), repeatable=False):
    """Analyse, vacuum and check the indexes of the database; with `dry_run` only say what would be done."""

    dry_run: bool = False
