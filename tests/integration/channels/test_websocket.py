"""What WebSocket servers and the network answer when all is not well."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from sidecar.admission import request_ids
from sidecar.channels import websocket
from sidecar.errors import AnswerTooLarge, ConnectionLost, HandshakeFailed, Refused, SidecarError, Unreachable
from tests.integration.channels.peers import Exchange, connected, detected, scripted
from tests.integration.channels.test_oddities import always, silence
from tests.support.hub import free_port
from tests.support.tls import certificate

Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, **options: Any) -> AsyncIterator[str]:
    """A WebSocket server that does this on each connection."""
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"


async def failure(url: str, **headers: str) -> SidecarError:
    """Why a connection cannot be made, or ends."""
    try:
        async with connected(url, "websocket", **headers) as client:
            return await client.channel.wait_closed()
    except SidecarError as error:
        return error


@pytest.mark.parametrize(
    ("status", "error", "part"),
    [
        ("401 Unauthorized", Refused, "answered HTTP 401 Unauthorized: it does not accept the configured credentials."),
        ("404 Not Found", Refused, "answered HTTP 404 Not Found."),
        ("503 Busy", Refused, "answered HTTP 503 Busy."),
        ("200 OK", Refused, "answered HTTP 200 OK."),
    ],
)
async def test_refused_with_a_status(status: str, error: type[SidecarError], part: str) -> None:
    """The status is told, the secrets of URL and headers are not."""
    async with scripted(always(status)) as url:
        where = url.replace("http://", "ws://user:pa55word@") + "/t0kent0kent0kent0ken?key=s3cret"
        found = await failure(where, Authorization="h1dden")
    assert type(found) is error
    assert part in found.message
    assert found.data == {"status": int(status.split(maxsplit=1)[0])}
    assert not any(secret in str(found.rpc()) for secret in ("pa55word", "t0ken", "s3cret", "h1dden"))


async def test_redirects_are_not_followed() -> None:
    """The headers are meant for the configured place."""
    elsewhere = asyncio.Event()

    async def other(_: Exchange) -> None:
        elsewhere.set()

    async with scripted(other) as there:
        location = there.replace("http", "ws") + "/x?token=s3cret"
        async with scripted(always("307 Temporary Redirect", location=location)) as url:
            found = await failure(url.replace("http", "ws"))
    assert isinstance(found, Refused)
    assert f"a redirect to {there.replace('http', 'ws')}/x, which is not followed" in found.message
    assert not elsewhere.is_set()


async def test_what_is_no_websocket() -> None:
    """An upgrade that is none, and what is not even HTTP."""

    async def no_key(exchange: Exchange) -> None:
        await exchange.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")

    async def garbage(exchange: Exchange) -> None:
        await exchange.write("SSH-2.0-x\r\n\r\n")

    async def nothing(_: Exchange) -> None:
        return

    for script, expected in ((no_key, HandshakeFailed), (garbage, HandshakeFailed), (nothing, Unreachable)):
        async with scripted(script) as url:
            assert type(await failure(url.replace("http", "ws"))) is expected


async def test_nobody_there() -> None:
    """The system's word for it is told."""
    found = await failure(f"ws://127.0.0.1:{free_port()}/")
    assert isinstance(found, Unreachable)
    assert "Connection refused" in found.message


async def test_no_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and says nothing is not waited for."""
    monkeypatch.setattr(websocket, "CONNECT_TIMEOUT", 0.1)
    async with scripted(silence) as url:
        found = await failure(url.replace("http", "ws"))
    assert "did not answer within 0.1 s" in found.message


@pytest.mark.parametrize("url", ["ws://", "http://127.0.0.1/", "ws://127.0.0.1:port/", "ws://h:99999/", "ws://h:0/"])
async def test_unusable_urls(url: str) -> None:
    """They are named as what they are."""
    found = await failure(url)
    assert isinstance(found, Unreachable)
    assert "not a valid ws:// or wss:// URL" in found.message


async def test_unusable_headers() -> None:
    """A header that HTTP does not allow is not sent."""
    found = await failure("ws://127.0.0.1/", **{"X-Bad": "a\nb"})
    assert "'X-Bad'" in found.message


async def test_an_untrusted_certificate(tmp_path: Path) -> None:
    """A certificate that nobody vouches for is refused."""
    found = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*found)

    async def handler(_: ServerConnection) -> None:
        return

    async with serving(handler, ssl=context) as url:
        error = await failure(url.replace("ws:", "wss:").replace("127.0.0.1", "localhost"))
    assert isinstance(error, Unreachable)
    assert "certificate verify failed" in error.message


def test_a_scheme_says_it() -> None:
    """ws and wss are WebSocket, whatever else is configured."""
    assert asyncio.run(detected("WSS://example.org/mcp")) == "websocket"


# --- an open connection ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason", "answered", "error", "part"),
    [
        (1000, "", True, ConnectionLost, "closed the connection with code 1000."),
        (1001, "restart", True, ConnectionLost, "closed the connection with code 1001: restart."),
        (1011, "", True, ConnectionLost, "closed the connection with code 1011."),
        (1001, "", False, Unreachable, "with code 1001 before it answered anything."),
        (1008, "who are you?", False, Refused, "with code 1008: who are you?."),
        (4401, "", True, Refused, "with code 4401."),
        (3003, "", False, Refused, "with code 3003."),
    ],
)
async def test_close_codes(code: int, reason: str, answered: bool, error: type[SidecarError], part: str) -> None:
    """What a server says when it closes becomes the error that tells what to do."""

    async def handler(connection: ServerConnection) -> None:
        if answered:
            await connection.send('{"jsonrpc":"2.0","method":"n"}')
        await connection.close(code, reason)

    async with serving(handler) as url:
        found = await failure(url)
    assert type(found) is error
    assert part in found.message


async def test_messages_have_no_headers_and_nothing_is_added_to_them() -> None:
    """The id of a client's request goes to a WebSocket server only where the client sends it, in `_meta`."""
    frame = {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"_meta": {request_ids.META_KEY: "mine"}}}
    received: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handler(connection: ServerConnection) -> None:
        received.set_result((dict(connection.request.headers) if connection.request else {}, await connection.recv()))
        await connection.wait_closed()

    async with serving(handler) as url, connected(url, "websocket") as client:
        token = request_ids.TO_SERVER.set("the hub's")
        await client.channel.send(frame)
        request_ids.TO_SERVER.reset(token)
        headers, text = await received
    assert json.loads(text) == frame
    assert "x-request-id" not in {name.lower() for name in headers}


async def test_a_connection_that_breaks() -> None:
    """No close frame comes from a process that is killed."""

    async def handler(connection: ServerConnection) -> None:
        await connection.send('{"jsonrpc":"2.0","method":"n"}')
        connection.transport.abort()

    async with serving(handler) as url:
        found = await failure(url)
    assert isinstance(found, ConnectionLost)
    assert found.message.endswith("broke the connection.")


async def test_a_peer_that_vanished(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that answers no ping is gone, though its connection looks open."""
    monkeypatch.setattr(websocket, "PING_INTERVAL", 0.05)
    monkeypatch.setattr(websocket, "PING_TIMEOUT", 0.1)
    monkeypatch.setattr(websocket, "CLOSE_TIMEOUT", 0.1)

    async def handler(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await connection.wait_closed()

    async with serving(handler, ping_interval=None, close_timeout=0.1) as url:
        found = await failure(url)
    assert isinstance(found, ConnectionLost)
    assert "did not answer a ping within 0.1 s" in found.message


async def test_messages_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that would fill the memory ends the connection."""
    monkeypatch.setattr(websocket, "MAX_MESSAGE", 1 << 20)

    async def handler(connection: ServerConnection) -> None:
        with contextlib.suppress(Exception):
            await connection.send(json.dumps({"jsonrpc": "2.0", "method": "x" * (1 << 20)}))
            await connection.wait_closed()

    async with serving(handler) as url:
        found = await failure(url)
    assert isinstance(found, AnswerTooLarge)
    assert "sent a message of more than 1 MiB" in found.message


async def test_what_is_no_frame_is_ignored() -> None:
    """Garbage does no harm, a batch is taken apart, and binary messages are read as text."""

    async def handler(connection: ServerConnection) -> None:
        for text in ("garbage", "1", '[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"b"}]'):
            await connection.send(text)
        await connection.send(b'{"jsonrpc":"2.0","method":"c"}')
        await connection.wait_closed()

    async with serving(handler) as url, connected(url, "websocket") as client:
        assert [(await client.notices.get())["method"] for _ in range(3)] == ["a", "b", "c"]


async def test_a_server_that_does_not_read_holds_its_callers() -> None:
    """What cannot be sent waits with whoever sends it, and goes out in order when the server reads again."""
    read = asyncio.Event()
    got: list[int] = []
    done = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await read.wait()
        connection.transport.resume_reading()
        async for text in connection:
            got.append(json.loads(text)["id"])
            if len(got) == 40:
                done.set()

    async with serving(handler, max_size=None) as url, connected(url, "websocket") as client:
        big = "x" * 1_000_000

        async def send_all() -> None:
            for number in range(40):
                await client.channel.send({"jsonrpc": "2.0", "id": number, "method": "m", "params": {"big": big}})

        sending = asyncio.create_task(send_all())
        await asyncio.wait([sending], timeout=0.5)
        assert not sending.done()
        read.set()
        await sending
        await done.wait()
        assert got == list(range(40))


async def test_the_kernel_watches_too() -> None:
    """TCP keep-alive is on, for peers that vanish between two pings."""

    async def handler(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serving(handler) as url, connected(url, "websocket") as client:
        sock = client.channel._socket.transport.get_extra_info("socket")  # type: ignore[attr-defined]
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
