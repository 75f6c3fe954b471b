"""Reads the spool: the files in which the hub's processes leave records (bridge/history/spool.py)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import operator
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from bridge.history.spool import COUNT_SUFFIX, SUFFIX
from recorder.batch import Batch, Loss, NewCall, NewChange, NewSession, NewSignIn, SessionEnd

log = logging.getLogger(__name__)

READ_BYTES = 512 * 1024
"""Bytes of a file that become one batch, if its lines are not longer."""
WANTED = ("ended", "seconds", "sender", "workspace", "method", "server", "tool", "number", "era", "outcome")
SENDER = ("session", "principal", "transport", "correlation")
"""The fields of a row and of a sender that are used. A line names its own, in any order, and may have more."""


class Part(NamedTuple):
    """What was read of a file: its records, and where the next ones begin."""

    batch: Batch
    offset: int
    complete: bool
    """Whether the file's last line was read: nothing follows."""


@dataclass(frozen=True)
class SpoolFile:
    """A file of the spool. `run` is the run of the process that writes it, `number` counts its files."""

    path: Path
    run: str
    number: int

    @property
    def name(self) -> str:
        """The name of the file, by which the store knows how far it is stored."""
        return self.path.name

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    def read(self, offset: int, now: float) -> Part:
        """Read the complete lines from `offset` on, READ_BYTES at once. `now` is the time of losses."""
        with self.path.open("rb") as file:
            file.seek(offset)
            data = file.read(READ_BYTES)
            if b"\n" not in data:
                data += file.readline()
        lines = data[: data.rfind(b"\n") + 1]
        found = [_parsed(line, self.name) for line in lines.splitlines()]
        offset += len(lines)
        return Part(batch_of(found, now, {self.name: offset}), offset, any(line.get("end") for line in found))

    def is_written(self) -> bool:
        """Whether the process that writes the file lives. It holds a lock on it."""
        with self.path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def missing(self) -> int:
        """How many records of the file's run the process that wrote it had in memory when it was killed.

        The file is the last one of the run.
        """
        try:
            seen: int = struct.unpack("=Q", self._count.read_bytes())[0]
        except (FileNotFoundError, struct.error):  # the run came to its end, or did not begin
            return 0
        last = 0
        for line in self.path.read_bytes().splitlines():
            last = _number(_parsed(line, self.name).get("upto")) or last
        return max(0, seen - last)

    def remove(self, last: bool) -> None:
        """Remove the file, and with the `last` file of its run the count of the run's records."""
        self.path.unlink(missing_ok=True)
        if last:
            self._count.unlink(missing_ok=True)

    @property
    def _count(self) -> Path:
        return self.path.with_name(self.run + COUNT_SUFFIX)


def files_in(directory: Path) -> list[SpoolFile]:
    """The files of a spool in the order in which they were begun; none if there is no such directory."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for name in sorted(path.name for path in directory.iterdir()):
            run, _, number = name.removesuffix(SUFFIX).rpartition("-")
            if name.endswith(SUFFIX) and run and number.isdecimal():
                found.append(SpoolFile(directory / name, run, int(number)))
    return found


def batch_of(lines: Iterable[Mapping[str, Any]], now: float, positions: Mapping[str, int]) -> Batch:
    """The records of some lines of a file. A line that is not understood counts as lost records."""
    calls: list[NewCall] = []
    more: dict[str, list[Any]] = {name: [] for name in _KINDS}
    lost = 0
    for line in lines:
        lost += _number(line.get("lost"))
        try:
            made = [*calls_of(line)]
            others = {name: [kind(**record) for record in line.get(name, ())] for name, kind in _KINDS.items()}
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            log.exception("a line of the spool is not understood", extra={"members": sorted(line)})
            lost += sum(_length(line.get(name)) for name in ("calls", *_KINDS)) or 1
            continue
        calls += made
        for name, records in others.items():
            more[name] += records
    return Batch(
        calls=calls,
        sessions=more["begun"],
        ended=more["ended"],
        changes=more["changes"],
        sign_ins=more["sign_ins"],
        lost=[Loss(now, lost)] if lost else [],
        positions=positions,
    )


def calls_of(line: Mapping[str, Any]) -> Iterator[NewCall]:
    """The calls of a line, whose rows the sidecar has written (sidecar/audit/rows.py).

    Fields and senders are looked up once for a line, as this runs for each call.
    """
    rows, fields = line.get("calls", ()), line.get("fields", ())
    if not rows:
        return
    width = len(fields)
    wanted = operator.itemgetter(*map(fields.index, WANTED))
    senders = list(map(operator.itemgetter(*map(line["sender_fields"].index, SENDER)), line.get("senders", ())))
    for row in rows:
        ended, seconds, place, workspace, method, server, tool, number, era, outcome = wanted(row)
        session, principal, transport, correlation = senders[place]
        at, lasted = round(ended - seconds, 6), round(seconds, 6)
        code = outcome if outcome[:1].isupper() else ""
        id_ = f"{correlation}{number}" if correlation else ""
        who, what = (workspace, session, principal, "", transport, era), (method, server, tool, outcome, code, id_)
        call = NewCall(at, lasted, 0.0, *who, *what)
        yield _with_extras(call, row[width]) if len(row) > width else call


def _with_extras(call: NewCall, extras: dict[str, Any]) -> NewCall:
    """The call with what only few calls have."""
    trace = trace_id(extras.pop("traceparent", ""))
    return call._replace(trace=trace, **extras)


def trace_id(traceparent: str) -> str:
    """The trace id in a `traceparent` (W3C Trace Context, section 3.2); empty if it is malformed."""
    parts = traceparent.split("-")
    known = len(parts) >= 4 and len(parts[1]) == 32 and set(parts[1]) <= set("0123456789abcdef")
    return parts[1] if known else ""


_KINDS: dict[str, type[Any]] = {
    "begun": NewSession,
    "ended": SessionEnd,
    "changes": NewChange,
    "sign_ins": NewSignIn,
}
"""The lists in a line, beside `calls`, and what their records are."""


def _number(value: Any) -> int:
    """A count of a line; 0 for what is none."""
    return value if type(value) is int else 0


def _length(records: Any) -> int:
    return len(records) if isinstance(records, list) else 0


def _parsed(line: bytes, name: str) -> dict[str, Any]:
    """A line as an object; a line that is not JSON counts as one lost record."""
    with contextlib.suppress(ValueError):
        value = _loads(line)
        if isinstance(value, dict):
            return value
    log.warning("a line of the spool cannot be read", extra={"file": name})
    return {"lost": 1}


def _loads(line: bytes) -> Any:
    """Parse JSON by the fast parser, or else by the one that also accepts lone surrogates. Raises ValueError."""
    try:
        return orjson.loads(line)
    except ValueError:
        return json.loads(line)
