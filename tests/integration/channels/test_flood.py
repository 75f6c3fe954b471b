"""A remote server that floods with requests: few answers are on their way at once, and calls are answered."""

from __future__ import annotations

import asyncio
import json

from sidecar.channels.base import MAX_BACKLOG
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Frame
from tests.integration.channels.peers import Exchange, connected, scripted
from tests.odd.remotes import RESULT, STREAM
from tests.support.fake_server import until

PINGS = 30


async def test_answers_to_a_flood_of_requests() -> None:
    """`PINGS` requests come before the answer to a call; at most `MAX_BACKLOG` POSTs and one answer them at once."""
    open_now, most, answered = 0, 0, 0

    async def script(exchange: Exchange) -> None:
        nonlocal open_now, most, answered
        message = json.loads(exchange.body) if exchange.body else {}
        if message.get("method") == "initialize":
            await exchange.reply("200 OK", json.dumps(jsonrpc.result(message["id"], RESULT)))
        elif message.get("method") == "tools/call":
            await exchange.head("200 OK", STREAM)
            frames = [jsonrpc.request(f"p{number}", "ping") for number in range(PINGS)]
            frames.append(jsonrpc.result(message["id"], {"content": []}))
            await exchange.write("".join(f"data: {json.dumps(frame)}\n\n" for frame in frames))
        elif "result" in message:
            open_now += 1
            most = max(most, open_now)
            await asyncio.sleep(0.01)
            await exchange.reply("202 Accepted")
            open_now -= 1
            answered += 1
        else:
            await exchange.reply("405 Method Not Allowed" if exchange.method == "GET" else "202 Accepted")

    async with scripted(script) as url, connected(url, "http") as client:
        await client.handshake()
        deliver = client.on_frame

        def on_frame(frame: Frame) -> bool | None:
            deliver(frame)
            if "method" not in frame:
                return None
            tasks.add(asyncio.ensure_future(client.channel.send(jsonrpc.result(frame["id"], {}))))
            return False

        tasks: set[asyncio.Future[None]] = set()
        client.channel._pass_on = on_frame  # type: ignore[attr-defined]
        answer = await client.request("tools/call")
        assert answer["result"] == {"content": []}
        await asyncio.gather(*tasks)
        await until(lambda: answered == PINGS)
    assert most <= MAX_BACKLOG + 5
