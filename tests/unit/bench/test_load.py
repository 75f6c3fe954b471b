"""The load client, against the cheapest server that answers it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bench.ceiling import Server, connections
from bench.echo_server import answer
from bench.load import drive, open_sessions
from bench.session import SessionError, SseSession
from bench.stats import percentile

pytestmark = pytest.mark.outside

CALL = {"name": "echo", "arguments": {"text": "hello"}}


@asynccontextmanager
async def serving(protocol: type[Server]) -> AsyncIterator[str]:
    """The address of a server that runs until the end, when its connections are closed as well."""
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    while connections:  # noqa: ASYNC110 (a set has no event)
        await asyncio.sleep(0)


@pytest.mark.parametrize(("transport", "path"), [("sse", "/sse"), ("http", "/mcp")])
@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_every_session_makes_its_calls(transport: str, path: str, era: str) -> None:
    """Each of the sessions makes the calls asked for, and the report counts them all."""
    async with serving(Server) as base, open_sessions(base + path, 3, transport=transport, era=era) as sessions:
        report = await drive(sessions, "tools/call", CALL, count=20)
    assert (report.clients, report.calls, report.errors) == (3, 60, 0)
    assert 0 < report.p50_ms <= report.p95_ms <= report.p99_ms <= report.max_ms


async def test_lost_stream_is_an_error_not_a_hang() -> None:
    """When the server goes away, calls under way end as errors with the reason."""

    class Fleeting(Server):
        def _answer(self, head: bytes, body: bytes) -> None:
            if b'"ping"' in body:
                for peer in connections:
                    peer.close()
            else:
                super()._answer(head, body)

    async with serving(Fleeting) as base:
        session = SseSession(base + "/sse")
        await session.open()
        with pytest.raises(SessionError, match="closed by the server"):
            await session.request("ping")
        assert session.lost.is_set()
        await session.close()


async def test_refused_stream_names_the_status() -> None:
    """A stream answered with an HTTP error fails at once, with the status."""

    class Refusing(Server):
        def _answer(self, head: bytes, body: bytes) -> None:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    async with serving(Refusing) as base:
        session = SseSession(base + "/sse")
        with pytest.raises(SessionError, match="HTTP 404"):
            await session.open()
        await session.close()


def test_echo_server_answers_requests_only() -> None:
    """The echo upstream answers requests, unknown ones with an error, and nothing else."""
    call = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"x"}}}'
    assert b'"text":"x"' in answer(call)
    assert b"-32601" in answer(b'{"jsonrpc":"2.0","id":2,"method":"server/discover"}')
    assert answer(b'{"jsonrpc":"2.0","method":"notifications/initialized"}') == b""


def test_percentile_is_nearest_rank() -> None:
    """Percentiles are values that were measured; there are none of nothing."""
    assert percentile([3, 1, 2, 4], 0.5) == 2
    assert percentile(range(1, 101), 0.95) == 95
    assert math.isnan(percentile([], 0.5))
