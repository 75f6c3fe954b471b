"""A load client in a process of its own: N sessions, each calling in a closed loop.

    python -m bench.load http://127.0.0.1:8766/mcp/demo/sse --clients 10 --seconds 5

prints one JSON object: calls/s, p50, p95, p99 and max in ms, errors, and how busy this client itself was.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import uvloop

from bench.session import TRANSPORTS, Frame, Prepared, Session
from bench.stats import percentile

ROOT = Path(__file__).resolve().parents[1]
WARMUP_SECONDS = 2.0
PATIENCE = 30.0  # seconds that answers may be late before they count as missing


@dataclass(frozen=True)
class Report:
    """What a run of load measured. `client_cpu` is the share of one core that the load client used."""

    clients: int
    calls: int
    seconds: float
    calls_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    errors: int
    first_errors: list[str]
    client_cpu: float


class Worker:
    """Calls in a closed loop on one session, until the time or the count is up."""

    def __init__(self, session: Session, prepared: Prepared) -> None:
        self.latencies = array("d")
        self.errors: list[str] = []
        self._session, self._prepared = session, prepared
        self._sent = self._until = 0.0
        self._left = 0
        self._finished: asyncio.Future[None] | None = None

    async def run(self, count: int, until: float) -> None:
        """Call `count` times, but begin no call after `until` (`time.perf_counter`)."""
        self._left, self._until = count, until
        self._finished = asyncio.get_running_loop().create_future()
        self._next()
        await self._finished

    def _next(self) -> None:
        self._sent = time.perf_counter()
        self._session.send(self._prepared, self._answered)

    def _answered(self, frame: Frame, at: float) -> None:
        self.latencies.append(at - self._sent)
        if problem := _problem(frame):
            self.errors.append(problem)
        self._left -= 1
        assert self._finished is not None
        if self._left > 0 and time.perf_counter() < self._until:
            self._next()
        elif not self._finished.done():
            self._finished.set_result(None)


def _problem(frame: Frame) -> str:
    if "error" in frame:
        return str(frame["error"].get("message"))
    result = frame.get("result")
    if not isinstance(result, dict):
        return f"no result in {frame!r}"[:200]
    return str(result.get("content"))[:200] if result.get("isError") else ""


@asynccontextmanager
async def open_sessions(
    url: str, count: int, *, transport: str = "sse", era: str = "legacy", bearer: str = ""
) -> AsyncIterator[list[Session]]:
    """`count` sessions with the handshake done; closed at the end."""
    sessions = [TRANSPORTS[transport](url, era, bearer) for _ in range(count)]
    try:
        for session in sessions:
            await session.open()
        yield sessions
    finally:
        for session in sessions:
            await session.close()


async def drive(
    sessions: list[Session], method: str, params: Frame, *, seconds: float = 3600, count: int = sys.maxsize
) -> Report:
    """Let every session call in a closed loop, all beginning together."""
    workers = [Worker(session, session.prepare(method, params)) for session in sessions]
    begin, cpu = time.perf_counter(), time.process_time()
    tasks = [asyncio.create_task(worker.run(count, begin + seconds)) for worker in workers]
    _, late = await asyncio.wait(tasks, timeout=seconds + PATIENCE)
    took, cpu = time.perf_counter() - begin, time.process_time() - cpu
    for task in late:
        task.cancel()
    latencies = array("d")
    errors = ["no answer"] * len(late)
    for worker in workers:
        latencies.extend(worker.latencies)
        errors += worker.errors
    return Report(
        clients=len(sessions),
        calls=len(latencies),
        seconds=round(took, 3),
        calls_per_s=round((len(latencies) - len(errors) + len(late)) / took, 1),
        p50_ms=round(percentile(latencies, 0.50) * 1e3, 3),
        p95_ms=round(percentile(latencies, 0.95) * 1e3, 3),
        p99_ms=round(percentile(latencies, 0.99) * 1e3, 3),
        max_ms=round(max(latencies, default=0) * 1e3, 3),
        errors=len(errors),
        first_errors=errors[:3],
        client_cpu=round(cpu / took, 3),
    )


async def measure(url: str, **options: Any) -> Report:
    """Run the load client in a process of its own; options as those of the command line. Raises RuntimeError."""
    words = [word for name, value in options.items() for word in (f"--{name}", _word(value))]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", url, *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the load client failed on {url}; see its error above")
    return Report(**orjson.loads(output))


def _word(value: Any) -> str:
    return orjson.dumps(value).decode() if isinstance(value, dict) else str(value)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Load an MCP endpoint with clients in closed loops.")
    parser.add_argument("url")
    parser.add_argument("--transport", choices=sorted(TRANSPORTS), default="sse")
    parser.add_argument("--era", choices=["legacy", "modern"], default="legacy")
    parser.add_argument("--bearer", default="", help="a token that every request carries")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--count", type=int, default=sys.maxsize, help="calls of each client, at most")
    parser.add_argument("--warmup", type=int, default=50, help="calls of each client that are not measured")
    parser.add_argument("--tool", default="echo")
    parser.add_argument("--arguments", type=orjson.loads, default={"text": "hello"})
    parser.add_argument("--method", default="tools/call", help="another method than tools/call")
    return parser.parse_args()


async def _main(options: argparse.Namespace) -> Report:
    called = options.method == "tools/call"
    params = {"name": options.tool, "arguments": options.arguments} if called else {}
    way = {"transport": options.transport, "era": options.era, "bearer": options.bearer}
    async with open_sessions(options.url, options.clients, **way) as sessions:
        if options.warmup:
            await drive(sessions, options.method, params, count=options.warmup, seconds=WARMUP_SECONDS)
        gc.collect()
        gc.freeze()
        return await drive(sessions, options.method, params, seconds=options.seconds, count=options.count)


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(asdict(uvloop.run(_main(_arguments())))) + b"\n")
