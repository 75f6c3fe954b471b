"""The pages' questions about a large history, in SQLite and in PostgreSQL: how long they take, and their plans.

    python -m bench.history_queries [--rows 1000000] [--engine sqlite postgresql] [--docs]

`--docs` writes docs/history-queries.md: figures, and the plan of each question on both engines.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import uvloop

from bench import machine
from bench.figure import Figure
from bench.stats import percentile
from bench.tables import facts_list, piped
from recorder.batch import Batch, NewCall
from recorder.sql.database import Database
from recorder.sql.postgres import PostgresDatabase
from recorder.sql.reading import Reader
from recorder.sql.sql_store import SqlStore
from recorder.sql.sqlite import SqliteDatabase
from tests.support.history import NOW, calls_of, full_scans, others_of, plans, questions
from tests.support.postgres import programs, running_postgres

DOCS = Path(__file__).resolve().parents[1] / "docs" / "history-queries.md"
ENGINES = ("sqlite", "postgresql")
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
ROUNDS = 40
BATCH, BULK, LAST = 500, 5000, 20_000
RETAIN_EVERY = 20
"""Batches between two runs of retention."""
BAR_ROWS, QUICK_ROWS = 50_000, 1_000
BAR_MS = 100.0


@dataclass
class Result:
    """What was measured of one engine."""

    rows: int
    size: int = 0
    per_second: float = 0.0
    """Calls stored."""
    cpu: float = 0.0
    """Microseconds of this process's CPU time for each."""
    times: dict[str, list[float]] = field(default_factory=dict)
    """Milliseconds by question."""
    busy: dict[str, float] = field(default_factory=dict)
    """Milliseconds of CPU time by question, of the recorder and of the database's server, in the mean."""
    plans: dict[str, list[tuple[str, list[str]]]] = field(default_factory=dict)
    retain: list[float] = field(default_factory=list)
    """Milliseconds of each step of retention."""
    optimize: list[str] = field(default_factory=list)

    def worst(self) -> tuple[float, str]:
        """The highest p95 of all questions, and which it is."""
        return max((percentile(times, 0.95), name) for name, times in self.times.items())


@asynccontextmanager
async def database(engine: str) -> AsyncIterator[Database]:
    """An empty database in a temporary directory."""
    if engine == "sqlite":
        with tempfile.TemporaryDirectory(prefix="hub-history-") as directory:
            yield SqliteDatabase(Path(directory) / "history.db")
    elif programs() is None:
        raise RuntimeError("PostgreSQL is not installed: tests/integration/databases/setup.sh gets it")
    else:
        with running_postgres("shared_buffers=128MB") as server:
            yield PostgresDatabase(server.url(), "yamcp_hub")


def batches(calls: Iterator[NewCall], size: int) -> Iterator[list[NewCall]]:
    """The calls in batches."""
    while batch := list(islice(calls, size)):
        yield batch


async def fill(store: SqlStore, result: Result, clock: list[float]) -> None:
    """Store old calls in large batches, as after a long absence of the database, then the last ones as time goes by.

    Those are stored in batches of BATCH, with retention in between. What that takes is noted.
    """
    await store.append(others_of(NOW))
    calls, last = calls_of(result.rows, NOW), min(result.rows // 2, LAST)
    for batch in batches(islice(calls, result.rows - last), BULK):
        await store.append(Batch(calls=batch))
    wall = cpu = 0.0
    for number, batch in enumerate(batches(calls, BATCH)):
        clock[0] = batch[-1].at
        begin, begin_cpu = time.perf_counter(), time.process_time()
        await store.append(Batch(calls=batch, positions={"spool": number + 1}))
        if number % RETAIN_EVERY == 0:
            while await store.retain(0, 2**50):
                pass
        wall += time.perf_counter() - begin
        cpu += time.process_time() - begin_cpu
    result.per_second, result.cpu = last / wall, cpu / last * 1e6


async def measure(engine: str, rows: int, rounds: int = ROUNDS) -> Result:
    """Fill a database, ask every question, and delete some of it."""
    result = Result(rows)
    async with database(engine) as db:
        clock = [NOW]
        store = SqlStore(db, lambda: clock[0])
        await store.open()
        try:
            await fill(store, result, clock)
            report = await store.optimize(dry_run=False)
            result.optimize = [
                f"{each.name}: {each.reason} ({each.seconds:.1f} s)" for each in report.steps if each.done
            ]
            result.size = (await store.status()).size or 0
            await ask_all(db, result, rounds)
            await retain(store, result, rounds)
        finally:
            await store.close()
    return result


async def ask_all(db: Database, result: Result, rounds: int) -> None:
    """Ask each question in turn, so that none profits from what it has just read itself; then for the plans."""
    asked, chance, reader = questions(result.rows), random.Random(11), Reader(db.fetch)
    server = (await db.fetch("SELECT pg_backend_pid()"))[0][0] if db.engine == "postgresql" else None
    for _ in range(rounds):
        for name, ask in asked.items():
            begin, begin_cpu = time.perf_counter(), cpu_ms(server)
            await ask(reader, chance)
            result.times.setdefault(name, []).append((time.perf_counter() - begin) * 1e3)
            result.busy[name] = result.busy.get(name, 0) + (cpu_ms(server) - begin_cpu) / rounds
    result.plans = {name: await plans(db, ask) for name, ask in asked.items()}


def cpu_ms(server: int | None) -> float:
    """CPU time of this process so far, and of the server's process that answers it (proc(5), schedstat), in ms."""
    own = time.process_time() * 1e3
    return own + (int(Path(f"/proc/{server}/schedstat").read_text().split()[0]) / 1e6 if server else 0)


async def retain(store: SqlStore, result: Result, steps: int) -> None:
    """Some steps of retention by age."""
    for _ in range(steps):
        begin = time.perf_counter()
        await store.retain(NOW - 20 * 86400, 2**50)
        result.retain.append((time.perf_counter() - begin) * 1e3)


async def queries(quick: bool) -> list[Figure]:
    """The slowest question's p95 on both engines, beside a short history; `--rows` measures a long one."""
    figures = []
    for engine in ENGINES:
        name = NAMES[engine]
        try:
            result = await measure(engine, QUICK_ROWS if quick else BAR_ROWS, 2 if quick else 20)
        except RuntimeError as error:
            figures.append(Figure(f"History in {name}", 0, "ms", error=str(error)))
            continue
        slowest, question = result.worst()
        scans = sum(bool(full_scans(engine, plan)) for asked in result.plans.values() for _, plan in asked)
        note = f"{result.rows:,} calls; slowest: {question}"
        figures += [
            Figure(f"History in {name}: p95 of the slowest question", slowest, "ms", "<=", BAR_MS, note),
            Figure(
                f"History in {name}: calls stored", result.per_second, "/s", note=f"{result.cpu:.0f} us of CPU each"
            ),
            Figure(f"History in {name}: longest step of retention", max(result.retain), "ms", "<=", BAR_MS),
        ]
        if engine == "sqlite":  # PostgreSQL rightly reads small tables whole
            figures.append(Figure(f"History in {name}: questions that read a whole table", scans, "", "==", 0))
    return figures


def document(results: dict[str, Result]) -> str:
    """docs/history-queries.md."""
    rows = max(result.rows for result in results.values())
    header = ["query", *(f"{NAMES[engine]} {what}, ms" for engine in results for what in ("p50", "p95", "CPU"))]
    cells = [[name, *(cell for r in results.values() for cell in _cells(r, name))] for name in questions(rows)]
    lines = [
        "# Queries of the history",
        "",
        f"`python -m bench.history_queries --rows {rows} --docs` writes this page. It lists every query that the pages",
        "and commands send to the history, with its response time and its plan in each database",
        "([ADR 38](adr/0038-history-stores.md)). The times include everything that the recorder does to answer the",
        "query; CPU time is that of the recorder and of PostgreSQL's process together.",
        "",
        *facts_list(machine.describe()),
        "",
        *piped(header, cells),
        "",
    ]
    for engine, result in results.items():
        lines += _facts(engine, result)
    for name in questions(rows):
        lines += [f"## {name[0].upper()}{name[1:]}", ""]
        for engine, result in results.items():
            lines += [f"{NAMES[engine]}:", "", "```text", *_told(result.plans[name]), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def _cells(result: Result, name: str) -> list[str]:
    return [*(f"{percentile(result.times[name], share):.1f}" for share in (0.5, 0.95)), f"{result.busy[name]:.1f}"]


def _facts(engine: str, result: Result) -> list[str]:
    text = (
        f"- {NAMES[engine]}: {result.rows:,} calls, {result.size / 1e6:,.0f} MB; {result.per_second:,.0f} calls/s "
        f"stored in batches of {BATCH}, with {result.cpu:.0f} us of the recorder's CPU time for each; one step of "
        f"retention takes {percentile(result.retain, 0.5):.0f} ms (at most {max(result.retain):.0f} ms)."
    )
    return [*_wrapped(text), *(line for each in result.optimize for line in _wrapped(f"  - optimize: {each}")), ""]


def _wrapped(text: str) -> list[str]:
    indent = " " * (len(text) - len(text.lstrip()) + 2)
    return textwrap.wrap(text, 118, subsequent_indent=indent)


def _told(asked: list[tuple[str, list[str]]]) -> list[str]:
    lines = []
    for sql, plan in asked:
        lines.append(
            re.sub(r"SELECT .*? FROM (?=calls|changes|sign_ins|sessions|usage)", r"SELECT … FROM ", sql, count=1)
        )
        lines += [f"    {line}" for line in plan if not line.lstrip().startswith(("Planning Time", "Execution Time"))]
    return lines


def main() -> None:
    """Measure, print, and write the document if asked to."""
    parser = argparse.ArgumentParser(description="The pages' questions about a large history.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--docs", action="store_true")
    options = parser.parse_args()
    results: dict[str, Result] = {}
    for engine in options.engine:
        result = results[engine] = uvloop.run(measure(engine, options.rows))
        print("\n".join(_facts(engine, result)), flush=True)
        for name, times in result.times.items():
            print(f"  {name:45} p50 {percentile(times, 0.5):7.1f} ms, p95 {percentile(times, 0.95):7.1f} ms", end="")
            print(f", CPU {result.busy[name]:6.1f} ms")
        for name, asked in result.plans.items():
            for _, plan in asked:
                for line in full_scans(engine, plan):
                    print(f"  FULL SCAN: {name}: {line}")
    if options.docs:
        DOCS.write_text(document(results), "utf-8")


if __name__ == "__main__":
    main()
