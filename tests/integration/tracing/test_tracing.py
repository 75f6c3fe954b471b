"""Traces of calls, received over OTLP: from a real client through the hub to a real server, with the right parents."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.integration.tracing.receiver import Received, Receiver, receiving
from tests.support.fake_server import until
from tests.support.peers import connected
from tests.support.sidecar import Sidecar, mock, running, stdio, workspace

PROGRAM = Path(__file__).with_name("traced_program.py")
SERVER, CLIENT = 2, 3
"""Kinds of spans (opentelemetry-proto, `Span.SpanKind`)."""


async def run_client(receiver: Receiver, url: str) -> None:
    """Run the client program to its end."""
    process = await asyncio.create_subprocess_exec(sys.executable, str(PROGRAM), "client", receiver.url, url)
    assert await asyncio.wait_for(process.wait(), 100) == 0


def parents(span: Received, by_id: dict[str, Received]) -> list[tuple[str, int]]:
    """Service and kind of a span, and of all above it."""
    return [(span.service, span.kind), *(parents(by_id[span.parent], by_id) if span.parent in by_id else [])]


async def test_from_the_client_through_the_hub_to_the_server() -> None:
    """A call is one trace: client, request at the hub, request to the server, server; each the next one's parent."""
    async with receiving() as receiver:
        server = stdio("t", sys.executable, str(PROGRAM), "server", receiver.url)
        async with running(server, workspace("w", server), HUB_OTLP_ENDPOINT=receiver.url) as hub:
            for path in ("/mcp/w/sse", "/mcp/w"):
                receiver.spans.clear()
                await run_client(receiver, f"{hub.base}{path}")
                await receiver.until(8 + 2)
                check_calls(receiver.spans)


def check_calls(spans: list[Received]) -> None:
    """The spans of one run of the client."""
    by_id = {span.id: span for span in spans}
    at_server = [span for span in spans if span.service == "server" and span.name == "tools/call add"]
    assert len(at_server) >= 3
    for span in at_server:
        above = parents(span, by_id)
        hubs = [kind for service, kind in above if service == "yamcp-hub"]
        assert (hubs, above[-1][0]) == ([CLIENT, SERVER], "client"), above
        assert by_id[span.parent].trace == span.trace
    ours = [span for span in spans if span.service == "yamcp-hub"]
    calls = [span for span in ours if span.kind == SERVER and span.name == "tools/call t_add"]
    assert {span.attributes["gen_ai.operation.name"] for span in calls} == {"execute_tool"}
    assert {span.attributes["yamcp.server"] + span.attributes["yamcp.workspace"] for span in calls} == {"tw"}
    (failed,) = [span for span in ours if span.kind == SERVER and span.name == "tools/call t_fail"]
    assert (failed.failed, failed.attributes["error.type"]) == (True, "tool_error")
    (listed,) = [span for span in ours if span.name == "tools/list"]
    assert listed.parent in by_id


WAYS = [("sse", "legacy"), ("http", "legacy"), ("http", "modern")]


async def call(peer: Any, trace: str = "") -> str:
    """Call a tool, with a trace context or without; the one that the server got."""
    meta = {"_meta": {"traceparent": trace}} if trace else {}
    answer = (await peer.request("tools/call", {"name": "m_connection", "arguments": {}, **meta})).answer
    (content,) = answer["result"]["content"]
    return str(json.loads(content["text"])["meta"].get("traceparent", ""))


async def test_what_the_server_is_told() -> None:
    """A recorded trace goes on under a span of the hub's; another is passed on unchanged."""
    async with receiving() as receiver:
        server = mock("m")
        settings = {"HUB_OTLP_ENDPOINT": receiver.url, "HUB_TRACE_SHARE": "0"}
        async with running(server, workspace("w", server), **settings) as hub:
            for transport, era in WAYS:
                async with opened(hub, transport, era) as peer:
                    await check_contexts(peer, receiver)


async def check_contexts(peer: Any, receiver: Receiver) -> None:
    """Trace contexts of a client, and what the server and the receiver get."""
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    for flags in ("01", "03", "01"):  # bit 0 counts
        receiver.spans.clear()
        version, its_trace, span, its_flags = (await call(peer, f"00-{trace}-{parent}-{flags}")).split("-")
        assert (version, its_trace, its_flags) == ("00", trace, "01")
        assert span != parent
        ours = {each.id: each for each in await receiver.until(2)}
        assert ours[span].kind == CLIENT
        assert (ours[ours[span].parent].kind, ours[ours[span].parent].parent) == (SERVER, parent)
    receiver.spans.clear()
    for start, flags in (("00", "00"), ("00", "02"), ("no trace", "01"), ("ff", "01")):
        unchanged = f"{start}-{trace}-{parent}-{flags}"
        assert await call(peer, unchanged) == unchanged
    assert await call(peer) == ""
    await call(peer, f"00-{trace}-{parent}-01")
    assert len(await receiver.until(2)) == 2


def opened(hub: Sidecar, transport: Any, era: Any) -> Any:
    """A client at the workspace."""
    return connected(f"{hub.base}/mcp/w", transport, era)


async def test_a_receiver_that_fails() -> None:
    """Calls go on; the log says once that traces are lost, with a code, and once that they are sent again."""
    async with receiving() as receiver:
        receiver.broken = True
        server = mock("m")
        async with running(server, workspace("w", server), HUB_OTLP_ENDPOINT=receiver.url) as hub:
            async with opened(hub, "http", "legacy") as peer:
                assert await call(peer)
                await until(lambda: bool(receiver.refused) and "TRACES_UNSENT" in hub.log("sidecar"))
                receiver.broken = False
                assert await call(peer)
                await receiver.until(2)
                await until(lambda: "traces are sent again" in hub.log("sidecar"))
            assert hub.log("sidecar").count("TRACES_UNSENT") == 1


async def test_the_log_names_the_trace() -> None:
    """Each line about a traced request."""
    trace = "0af7651916cd43dd8448eb211c80319c"
    async with receiving() as receiver:
        server = mock("m")
        async with running(server, workspace("w", server), HUB_OTLP_ENDPOINT=receiver.url) as hub:
            async with opened(hub, "http", "legacy") as peer:
                meta = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
                answer = (await peer.request("tools/call", {"name": "none", "arguments": {}, "_meta": meta})).answer
                assert answer["error"]["data"]["code"] == "TOOL_UNKNOWN"
                await until(lambda: f'"trace":"{trace}"' in hub.log("sidecar"))
            refused = [span for span in await receiver.until(1) if span.trace == trace]
            assert [(span.kind, span.attributes["error.type"]) for span in refused] == [(SERVER, "TOOL_UNKNOWN")]
