"""Remote servers with odd habits, as an upstream and its calls meet them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
from websockets.asyncio.server import ServerConnection, serve

from bridge.models import RemoteLaunch, ServerSettings, ServerSpec
from sidecar.channels import base, reading, remote, sse, streamable, web
from sidecar.channels.connections import Connections
from sidecar.channels.remote import open_remote
from sidecar.errors import Refused, SidecarError, Unreachable
from sidecar.observe.metrics import Metrics
from sidecar.protocol.channel import Channel, OnFrame
from sidecar.upstream.upstream import Upstream
from tests.integration.channels.peers import Exchange, Script, Transport, connected, detected, scripted
from tests.odd import remotes
from tests.odd.remotes import UNKNOWN_SESSION, Flood, Reply, SseServer, StreamableServer
from tests.support import tls
from tests.support.fake_server import until, within
from tests.unit.sidecar.upstream.test_upstream import Watcher

LIMIT = 12 * 1024 * 1024
"""Bytes that a server may get rid of before it notices that nobody reads: what the kernel takes on both sides."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once, and what has to wait waits a fraction of a second."""
    monkeypatch.setattr("sidecar.supervision.backoff.FIRST_DELAY", 0.001)
    monkeypatch.setattr(base, "CHECK_TIMEOUT", 5)
    monkeypatch.setattr(base, "LOST_WAIT", 0.2)
    monkeypatch.setattr(remote, "HEAD_START", 0.05)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines of a fraction of a second."""
    for module in (web, sse, remote):
        monkeypatch.setattr(module, "CONNECT_TIMEOUT", 2)
    monkeypatch.setattr(reading, "DRAIN_TIMEOUT", 0.1)


@contextlib.asynccontextmanager
async def upstream_to(url: str, transport: Transport) -> AsyncIterator[Upstream]:
    """An upstream to a remote server, once it is ready."""
    launch = RemoteLaunch(url=url)
    spec = ServerSpec(key="r", namespace="r", launch=launch, settings=ServerSettings(call_timeout=100))
    async with Connections() as connections:

        def connect(on_frame: OnFrame) -> contextlib.AbstractAsyncContextManager[Channel]:
            return open_remote(launch, on_frame=on_frame, transport=transport, connections=connections)

        upstream = Upstream("f", spec, connect, Watcher(), Metrics())
        task = asyncio.create_task(upstream.run())
        try:
            await within(upstream.ready(10))
            yield upstream
        finally:
            upstream.stop()
            await within(task)


async def call(upstream: Upstream, text: str, tool: str = "echo") -> str:
    """The text of a call's result. Raises what the request does; an error as a Failure."""
    frame = await within(upstream.request("tools/call", {"name": tool, "arguments": {"text": text}}, timeout=100))
    if "error" in frame:
        raise Failure(frame["error"])
    return str(frame["result"]["content"][0]["text"])


class Failure(Exception):
    """A server's error, as it came."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


# --- a session that the server does not know any more --------------------------------------------------------------


@pytest.mark.parametrize("habit", UNKNOWN_SESSION)
async def test_a_session_that_is_not_known_any_more(habit: str) -> None:
    """Whatever says so: a new session is begun, and the call, which was not carried out, asked once more."""
    server = StreamableServer(UNKNOWN_SESSION[habit])
    async with scripted(server) as url, upstream_to(url, "http") as upstream:
        assert await call(upstream, "a") == "a"
        server.forget()
        assert await call(upstream, "b") == "b"
        assert (server.opened, upstream.restarts, server.done) == (2, 1, ["a", "b"])


@pytest.mark.parametrize("habit", ["specification", "TypeScript SDK's example", "400 without words", "410"])
async def test_an_sse_session_that_is_not_known_any_more(habit: str) -> None:
    """The same over HTTP+SSE, where the stream may still be open."""
    server = SseServer(UNKNOWN_SESSION[habit])
    async with scripted(server) as url, upstream_to(url, "sse") as upstream:
        assert await call(upstream, "a") == "a"
        server.forget()
        assert await call(upstream, "b") == "b"
        assert (server.opened, upstream.restarts, server.done) == (2, 1, ["a", "b"])


async def test_a_websocket_behind_which_the_session_is_gone() -> None:
    """A gateway keeps the socket open, and answers everything with an error that names the session."""
    opened, forgotten, done = 0, False, list[str]()

    async def behave(socket: ServerConnection) -> None:
        nonlocal opened, forgotten
        opened, mine, forgotten = opened + 1, opened + 1, False
        async for data in socket:
            message = json.loads(data)
            if "id" in message and forgotten and mine == 1:
                error = {"code": -32000, "message": "Session not found"}
                await socket.send(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}))
            elif "id" in message:
                initialize = message["method"] == "initialize"
                result = remotes.RESULT if initialize else remotes.answer(message, done)
                await socket.send(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}))

    async with serve(behave, "127.0.0.1", 0, subprotocols=["mcp"]) as server:  # type: ignore[list-item]
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        async with upstream_to(url, "websocket") as upstream:
            assert await call(upstream, "a") == "a"
            forgotten = True
            assert await call(upstream, "b") == "b"
            assert (opened, done) == (2, ["a", "b"])


async def test_many_calls_when_the_session_is_gone() -> None:
    """All get their answer from the one new session, and none is carried out twice."""
    server = StreamableServer(UNKNOWN_SESSION["400 without words"])
    async with scripted(server) as url, upstream_to(url, "http") as upstream:
        server.forget()
        texts = [f"t{index}" for index in range(20)]
        assert await asyncio.gather(*(call(upstream, text) for text in texts)) == texts
        assert server.opened == 2
        assert sorted(server.done) == sorted(texts)


@pytest.mark.parametrize("status", ["400 No", "401 No", "403 No", "404 No", "410 No", "422 No", "500 No", "503 No"])
async def test_one_request_that_is_refused(status: str) -> None:
    """A server that answers a ping is asked nothing again: the status is the answer, and the session stays."""
    server = StreamableServer()
    server.refuse["bad"] = Reply(status, "no such session of a browser" if "422" in status else "no", "text/plain")
    async with scripted(server) as url, upstream_to(url, "http") as upstream:
        for _ in range(3):
            with pytest.raises(Failure) as caught:
                await call(upstream, "x", "bad")
            assert caught.value.error["data"]["status"] == int(status[:3])
        assert await call(upstream, "a") == "a"
        assert (server.opened, upstream.restarts, upstream.state) == (1, 0, "ready")


async def test_a_session_that_calls_deny_and_pings_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that looks at the session for calls only: given up too, but not again and again."""
    server = StreamableServer()
    server.refuse["bad"] = UNKNOWN_SESSION["specification"]
    async with scripted(server) as url, upstream_to(url, "http") as upstream:
        connection = upstream.connection
        assert connection is not None
        channel: Any = connection._channel
        channel._opened -= streamable.RENEW_AFTER
        with pytest.raises(Failure, match="Session not found"):
            await call(upstream, "x", "bad")
        with pytest.raises(Failure, match="Session not found"):
            await call(upstream, "x", "bad")
        assert (server.opened, upstream.restarts) == (2, 1)


@pytest.mark.parametrize("status", ["403 Forbidden", "503 Busy"])
async def test_a_server_that_refuses_everything(status: str) -> None:
    """The call gets the status at once, and the server's state tells why: it is not `ready` while all calls fail."""
    server = StreamableServer()
    async with scripted(server) as url, upstream_to(url, "http") as upstream:
        server.all = Reply(status)
        with pytest.raises(Failure, match=status):
            await call(upstream, "x")
        await until(lambda: upstream.state == "backoff")
        assert upstream.reason is not None
        assert status in upstream.reason.message
        server.all = None
        assert await call(upstream, "a") == "a"


async def test_a_modern_server_that_refuses() -> None:
    """There is no session to lose and no ping: it is asked to discover, with the envelope of the call in doubt."""
    server = remotes.ModernServer()
    server.refuse["bad"] = Reply("500 Fault")
    async with scripted(server) as url, upstream_to(url, "http") as upstream:
        with pytest.raises(Failure, match="HTTP 500"):
            await call(upstream, "x", "bad")
        assert server.methods.count("server/discover") == 2
        assert "ping" not in server.methods
        assert await call(upstream, "a") == "a"
        assert (upstream.restarts, upstream.state) == (0, "ready")
        server.all = Reply("503 Busy")
        with pytest.raises(Failure, match="HTTP 503"):
            await call(upstream, "x")
        await until(lambda: upstream.state == "backoff")
        server.all = None
        assert await call(upstream, "b") == "b"
        assert server.done == ["a", "b"]


async def test_a_call_that_may_have_been_carried_out() -> None:
    """A server that breaks down in a call, with whatever words, is not asked to do the same again."""
    server, down = StreamableServer(), Reply("503 Busy")

    async def break_down(exchange: Exchange) -> None:
        server.done.append("carried out")
        server.all = down
        await exchange.reply("500 Fault", "the database session is lost", "text/plain")

    server.refuse["bad"] = break_down
    async with scripted(server) as url, upstream_to(url, "http") as upstream:
        with pytest.raises(Failure, match="HTTP 500"):
            await call(upstream, "x", "bad")
        await until(lambda: upstream.state == "backoff")
        server.all = None
        assert await call(upstream, "a") == "a"
        assert server.done == ["carried out", "a"]


@pytest.mark.parametrize("status", ["400 No", "404 No", "500 No"])
async def test_a_server_that_knows_neither_ping_nor_notifications(status: str) -> None:
    """It has no standing to lose: what has no answer puts no session in doubt."""
    server = StreamableServer()
    server.refuse["ping"] = Reply(status)

    async def script(exchange: Exchange) -> None:
        refused = b'"notifications/' in exchange.body
        await (Reply(status)(exchange) if refused else server(exchange))

    async with scripted(script) as url, upstream_to(url, "http") as upstream:
        assert await call(upstream, "a") == "a"
        await upstream.notify("notifications/x")
        assert await call(upstream, "b") == "b"
        assert (server.opened, upstream.restarts) == (1, 0)


async def test_a_call_while_nobody_listens() -> None:
    """A connection that is refused carried nothing out: the call is asked again when the server is back."""
    server = StreamableServer()
    async with contextlib.AsyncExitStack() as stack:
        first = contextlib.AsyncExitStack()
        url = await first.enter_async_context(scripted(server))
        upstream = await stack.enter_async_context(upstream_to(url, "http"))
        await first.aclose()
        waiting = asyncio.create_task(call(upstream, "b"))
        await until(lambda: upstream.state == "backoff")
        server.forget()
        await stack.enter_async_context(scripted(server, int(url.rpartition(":")[2])))
        assert await waiting == "b"


# --- answers without end ---------------------------------------------------------------------------------------------

WHERE = ["initialized", "notification", "error", "error stream", "DELETE"]


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("where", WHERE)
async def test_bodies_that_nobody_needs(where: str, encoding: str, hurried: None) -> None:
    """What is answered to a notification, with an error status, or at the end is read up to a limit, and no further."""
    status = "500 Fault" if "error" in where else "202 Accepted"
    flood = Flood(status, "text/event-stream" if "stream" in where else "application/json", encoding)
    server = StreamableServer()
    server.refuse["bad"] = flood

    async def script(exchange: Exchange) -> None:
        method = json.loads(exchange.body)["method"] if exchange.body else exchange.method
        await (flood if method == names.get(where, "") else server)(exchange)

    names = {"initialized": "notifications/initialized", "notification": "notifications/x", "DELETE": "DELETE"}
    async with scripted(script) as url:
        async with connected(url, "http") as client:
            await client.handshake()
            if "error" in where:
                found = await within(client.request("tools/call", {"name": "bad"}))
                assert found["error"]["data"]["status"] == 500
            elif where == "notification":
                await client.channel.send({"jsonrpc": "2.0", "method": "notifications/x"})
            if where != "DELETE":
                await within(flood.over.wait())
                assert "result" in await within(client.request("ping"))
        await within(flood.over.wait())
    assert flood.sent < LIMIT


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("status", ["202 Accepted", "500 Fault"])
async def test_answers_to_sse_posts_without_end(status: str, encoding: str, hurried: None) -> None:
    """Over HTTP+SSE nothing of them is needed."""
    flood, server = Flood(status, encoding=encoding), SseServer(UNKNOWN_SESSION["410"])

    async def script(exchange: Exchange) -> None:
        await (flood if b"notifications/x" in exchange.body else server)(exchange)

    async with scripted(script) as url, connected(url, "sse") as client:
        await client.handshake()
        await client.channel.send({"jsonrpc": "2.0", "method": "notifications/x"})
        await within(flood.over.wait())
        assert "result" in await within(client.request("ping"))
    assert flood.sent < LIMIT


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
async def test_results_without_end(content_type: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller is told that the result is too large, and what to do; the connection goes on."""
    monkeypatch.setattr(reading, "MAX_MESSAGE", 2 << 20)
    server, flood = StreamableServer(), Flood("200 OK", content_type, encoding)
    server.refuse["bad"] = flood
    async with scripted(server) as url, upstream_to(url, "http") as upstream:
        with pytest.raises(Failure, match=r"answered with more than 2 MiB\. Request less at a time") as caught:
            await call(upstream, "x", "bad")
        assert caught.value.error["data"]["code"] == "SERVER_ANSWER_TOO_LARGE"
        await within(flood.over.wait())
        assert await call(upstream, "a") == "a"
        assert (upstream.restarts, upstream.state) == (0, "ready")
    assert flood.sent < LIMIT


@pytest.mark.parametrize("id_first", [True, False])
async def test_large_results_on_a_stream_that_many_share(id_first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over HTTP+SSE too, only the call whose result is too large fails; the stream goes on."""
    monkeypatch.setattr(reading, "MAX_MESSAGE", 2 << 20)
    server = SseServer(UNKNOWN_SESSION["410"])

    def large(message: dict[str, Any]) -> str:
        members = {"id": message["id"], "result": {"content": "x" * (5 << 20)}}
        return json.dumps({"jsonrpc": "2.0", **(members if id_first else dict(reversed(members.items())))})

    server.results["bad"] = large
    async with scripted(server) as url, upstream_to(url, "sse") as upstream:
        with pytest.raises(Failure, match=r"answered with more than 2 MiB\.") as caught:
            await call(upstream, "x", "bad")
        assert caught.value.error["data"]["code"] == "SERVER_ANSWER_TOO_LARGE"
        assert await call(upstream, "a") == "a"
        assert (upstream.restarts, server.opened) == (0, 1)


@pytest.mark.parametrize("status", ["202 Accepted", "500 Fault"])
async def test_answers_that_drip(status: str, hurried: None) -> None:
    """What comes byte by byte is not waited for: of an error, the status tells enough."""
    left, server = asyncio.Event(), StreamableServer()

    async def script(exchange: Exchange) -> None:
        if b'"x"' in exchange.body:
            await remotes.drip(exchange, status, "application/json", left)
        else:
            await server(exchange)

    async with scripted(script) as url, connected(url, "http") as client:
        await client.handshake()
        if status.startswith("500"):
            assert (await within(client.request("x")))["error"]["data"]["status"] == 500
        else:
            await client.channel.send({"jsonrpc": "2.0", "method": "x"})
        await within(left.wait())


async def test_compression_that_was_not_asked_for() -> None:
    """It is refused by name: the hub decompresses only what it can piece by piece."""

    async def script(exchange: Exchange) -> None:
        assert exchange.headers["accept-encoding"] == "gzip, deflate"
        await exchange.reply("200 OK", "x", content_encoding="br")

    server = StreamableServer()
    server.refuse["bad"] = script
    async with scripted(server) as url, upstream_to(url, "http") as upstream:
        with pytest.raises(Failure, match="content coding 'br'"):
            await call(upstream, "x", "bad")
        assert await call(upstream, "a") == "a"


# --- what a URL turns out to be --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sse", "auto"])
@pytest.mark.parametrize("habit", remotes.POSTED_TO_SSE)
async def test_a_url_of_http_sse(habit: str, kind: Literal["sse", "auto"]) -> None:
    """Nothing that is answered to a POST keeps the event stream from being found."""
    script = remotes.by_method(GET=remotes.endpoint_stream(), POST=remotes.POSTED_TO_SSE[habit])
    async with scripted(script) as url:
        assert await within(detected(url, kind)) == "sse"


@pytest.mark.parametrize("kind", ["sse", "auto"])
@pytest.mark.parametrize("habit", remotes.GOT_FROM_STREAMABLE)
async def test_a_url_of_streamable_http(habit: str, kind: Literal["sse", "auto"]) -> None:
    """Nor does anything that is answered to a GET hide Streamable HTTP, which many have under `type: sse`."""
    script = remotes.by_method(GET=remotes.GOT_FROM_STREAMABLE[habit], POST=remotes.INITIALIZED)
    async with scripted(script) as url:
        assert await within(detected(url, kind)) == "http"


async def test_an_endpoint_that_comes_late() -> None:
    """The stream is still listened to while the POST fails."""
    script = remotes.by_method(GET=remotes.endpoint_stream(0.2), POST=Reply("404 Not Found"))
    async with scripted(script) as url:
        assert await within(detected(url, "sse")) == "sse"


async def test_both_at_one_url() -> None:
    """A server that speaks both gets what its definition says."""
    script = remotes.by_method(GET=remotes.endpoint_stream(), POST=remotes.INITIALIZED)
    async with scripted(script) as url:
        assert [await detected(url, "sse"), await detected(url, "auto")] == ["sse", "http"]


@pytest.mark.parametrize(
    ("post", "get", "status", "part"),
    [
        (
            Reply("402 Payment Required"),
            Reply("405 Method Not Allowed"),
            402,
            "works neither as Streamable HTTP (POST: HTTP 402 Payment Required) nor as HTTP+SSE (GET: HTTP 405 Method",
        ),
        (Reply("404 Not Found"), Reply("401 Unauthorized"), 401, "POST: HTTP 404 Not Found"),
        (Reply("405 No"), Reply("503 Busy"), 503, "GET: HTTP 503 Busy"),
        (Reply("404 No"), remotes.silent_stream, 404, "GET: did not answer within 2 s"),
    ],
)
@pytest.mark.parametrize("kind", ["sse", "auto"])
async def test_what_both_answered(
    post: Script, get: Script, status: int, part: str, kind: Literal["sse", "auto"], hurried: None
) -> None:
    """The error is of the one that tells most, and no status is masked."""
    async with scripted(remotes.by_method(GET=get, POST=post)) as url:
        with pytest.raises(SidecarError) as caught:
            await within(detected(url, kind))
    assert part in caught.value.message
    assert caught.value.data.get("status", status) == status


# --- credentials and certificates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["http", "sse", "websocket"])
async def test_a_server_that_wants_oauth(transport: Transport) -> None:
    """The reason says so, names the metadata, and what to put where."""

    async def script(exchange: Exchange) -> None:
        metadata = "https://as.example/.well-known/oauth-protected-resource/mcp"
        wanted = f'Bearer error="invalid_request", resource_metadata="{metadata}"'
        await exchange.reply("401 Unauthorized", "", www_authenticate=wanted)

    async with scripted(script) as url:
        where = f"{url}/mcp".replace("http", "ws" if transport == "websocket" else "http", 1)
        with pytest.raises(Refused) as caught:
            async with connected(where, transport) as client:
                await client.begin("initialize", {})
                raise await client.channel.wait_closed()
    assert "it wants an OAuth access token; https://as.example/.well-known/oauth-protected-resource/mcp says" in (
        caught.value.message
    )
    assert '{"Authorization": "Bearer ${TOKEN}"}' in caught.value.advice
    assert caught.value.data["status"] == 401


@pytest.mark.parametrize("scheme", ["https", "wss"])
async def test_a_certificate_of_a_private_authority(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not trusted, and the hint names SSL_CERT_FILE; with that, it is."""
    pair = tls.certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def attempt() -> Unreachable:
        transport: Transport = "http" if scheme == "https" else "websocket"
        with pytest.raises(Unreachable) as caught:
            async with connected(f"{scheme}://127.0.0.1:{port}/mcp", transport) as client:
                await client.begin("initialize", {})
                raise await client.channel.wait_closed()
        return caught.value

    web.tls.cache_clear()
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        refused = await within(attempt())
        assert "CERTIFICATE_VERIFY_FAILED" in refused.message
        assert "SSL_CERT_FILE" in refused.advice
        monkeypatch.setenv("SSL_CERT_FILE", str(pair.cert))
        web.tls.cache_clear()
        trusted = await within(attempt())
        assert "CERTIFICATE" not in trusted.message
    web.tls.cache_clear()


async def test_tls_where_there_is_none() -> None:
    """https:// to a port of http:// is said to be that."""

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connected(f"https://127.0.0.1:{port}/mcp", "http") as client:
            await client.begin("initialize", {})
            found = await within(client.channel.wait_closed())
    assert isinstance(found, Unreachable)
    assert "use http://" in found.advice
