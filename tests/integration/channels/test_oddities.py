"""What servers and the network answer when all is not well, from scripted HTTP servers."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from sidecar.channels import base, reading, remote, sse, streamable, web
from sidecar.errors import ConnectionLost, HandshakeFailed, Refused, SidecarError, Unreachable
from tests.integration.channels.peers import Client, Exchange, Script, Transport, connected, detected, scripted
from tests.support.hub import free_port

STREAM = "text/event-stream"
RESULT = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}


def event(data: Any, name: str = "message", **fields: Any) -> str:
    """One server-sent event."""
    lines = [f"{key}: {value}" for key, value in fields.items()]
    return "\n".join([f"event: {name}", *lines, f"data: {data if isinstance(data, str) else json.dumps(data)}", "", ""])


def answer(exchange: Exchange, result: Any = None) -> str:
    """The result of the request in the body, as JSON."""
    return json.dumps({"jsonrpc": "2.0", "id": json.loads(exchange.body)["id"], "result": result or RESULT})


def always(status: str, body: str = "no", content_type: str = "text/plain", **headers: str) -> Script:
    """A server that answers everything so."""

    async def script(exchange: Exchange) -> None:
        await exchange.reply(status, body, content_type, **headers)

    return script


async def silence(_: Exchange) -> None:
    """A server that never answers."""
    await asyncio.Event().wait()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short deadlines; those that would end what a busy machine is slow to do are a second."""
    for module in (web, sse, remote):
        monkeypatch.setattr(module, "CONNECT_TIMEOUT", 1)
    monkeypatch.setattr(base, "NOTIFICATION_TIMEOUT", 1)
    monkeypatch.setattr(reading, "DRAIN_TIMEOUT", 0.1)
    monkeypatch.setattr(streamable, "DRAIN_TIMEOUT", 0.1)
    monkeypatch.setattr(streamable, "DELETE_TIMEOUT", 0.1)
    monkeypatch.setattr(streamable, "_FIRST_DELAY", 0.01)


async def failure(url: str, transport: Transport, **headers: str) -> SidecarError:
    """Why a handshake over this transport fails."""
    try:
        async with connected(url, transport, **headers) as client:
            await client.begin("initialize", {})
            return await client.channel.wait_closed()
    except SidecarError as error:
        return error


# --- connecting --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_refused_with_a_status(transport: Transport) -> None:
    """The status is told, the secrets of the URL are not."""
    async with scripted(always("401 Unauthorized")) as url:
        found = await failure(
            url.replace("//", "//user:pa55word@") + "/mcp/t0kent0kent0kent0ken?key=s3cret", transport, X="h1dden"
        )
    assert isinstance(found, Refused)
    refused = f"{url}/mcp/*** answered HTTP 401 Unauthorized: it does not accept the configured credentials."
    assert found.message == refused
    assert found.data == {"status": 401}


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_nobody_there(transport: Transport) -> None:
    """The operating system's word for it is told."""
    found = await failure(f"http://127.0.0.1:{free_port()}/mcp?key=s3cret", transport)
    assert isinstance(found, Unreachable)
    assert found.message.endswith("/mcp could not be connected to: Connection refused.")


@pytest.mark.parametrize("transport", ["sse", "http"])
@pytest.mark.parametrize(
    "url", ["ftp://h/x", "http://", "http://[bad", "s3cret", "http://h:port/", "http://h:99999/", "http://h:0/"]
)
async def test_unusable_urls(url: str, transport: Transport) -> None:
    """What is no URL is told so, without repeating it."""
    found = await failure(url, transport)
    assert isinstance(found, Unreachable)
    assert found.message == "The URL is not a valid http:// or https:// URL."


@pytest.mark.parametrize(
    ("name", "value"),
    [("X", "s3c\nret"), ("X Y", "s3cret"), ("", "s3cret"), ("X", "s3cret\ud800"), ("Ü", "s3cret"), ("X\n", "s3cret")],
)
async def test_unusable_headers(name: str, value: str) -> None:
    """A header that cannot be sent is named, its value is not."""
    found = await failure("http://127.0.0.1/", "http", **{name: value})
    assert found.message == f"The header {name!r} holds a character that HTTP does not allow."


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_an_immediate_end(transport: Transport) -> None:
    """A server that hangs up without a word."""

    async def hang_up(_: Exchange) -> None:
        return

    async with scripted(hang_up) as url:
        found = await failure(url, transport)
    assert isinstance(found, Unreachable)
    assert found.message.endswith("broke (RemoteProtocolError).")


async def test_userinfo_and_odd_header_values() -> None:
    """Userinfo becomes Basic authentication, a newline after a token is dropped, other characters pass as UTF-8."""
    seen: dict[str, str] = {}

    async def script(exchange: Exchange) -> None:
        seen.update(exchange.headers)
        await exchange.reply("200 OK", answer(exchange))

    async with (
        scripted(script) as url,
        connected(url.replace("//", "//u:p@"), "http", X="tok\n", Y="ü") as client,
    ):
        await client.request("initialize")
    assert seen["authorization"] == "Basic " + base64.b64encode(b"u:p").decode()
    assert (seen["x"], seen["y"]) == ("tok", "ü")


@pytest.mark.parametrize(
    ("script", "error", "part"),
    [
        (always("200 OK", "<html>", "text/html"), HandshakeFailed, "answered with text/html, which is not MCP"),
        (always("503 Busy"), Refused, "HTTP 503 Busy"),
        (always("302 Found", location="http://other.example/x?token=s3cret"), Refused, "http://other.example/x, which"),
        (always("200 OK", event("http://127.0.0.1:1/m", "endpoint"), STREAM), HandshakeFailed, "another origin, http"),
        (always("200 OK", event("http://[bad", "endpoint"), STREAM), HandshakeFailed, "not a URL"),
        (always("200 OK", event("x", "other"), STREAM), Unreachable, "ended the event stream"),
        (silence, Unreachable, "sent no `endpoint` event within 1 s"),
    ],
)
async def test_no_event_stream(script: Script, error: type[SidecarError], part: str, hurried: None) -> None:
    """Over SSE, connecting fails with what was answered instead."""
    async with scripted(script) as url:
        found = await failure(url, "sse")
    assert type(found) is error
    assert part in found.message
    assert "s3cret" not in found.message


@pytest.mark.parametrize("transport", ["sse", "http"])
async def test_redirects_within_the_origin_are_followed(transport: Transport) -> None:
    """A slash more does not matter."""

    async def script(exchange: Exchange) -> None:
        if exchange.target == "/mcp":
            await exchange.reply("307 Temporary Redirect", location="/mcp/")
        elif exchange.method == "GET":
            await exchange.head("200 OK", STREAM)
            await exchange.write(event("/mcp/", "endpoint"))
            await asyncio.Event().wait()
        else:
            await exchange.reply("200 OK", answer(exchange))

    async with scripted(script) as url, connected(f"{url}/mcp", transport) as client:
        request_id = await client.begin("initialize", {})
        if transport == "http":
            assert (await client.answer(request_id))["result"] == RESULT


async def test_endless_redirects() -> None:
    """A server that redirects in circles is refused."""
    async with scripted(always("307 Temporary Redirect", location="/again")) as url:
        assert "HTTP 307" in (await failure(url, "http")).message


# --- messages over SSE -------------------------------------------------------------------------------------------


def sse_server(post: Script, *more: str) -> Script:
    """An SSE server whose POSTs do what `post` does."""

    async def script(exchange: Exchange) -> None:
        if exchange.method == "POST":
            await post(exchange)
            return
        await exchange.head("200 OK", STREAM)
        await exchange.write(event("/messages?session_id=1", "endpoint") + "".join(more))
        await asyncio.Event().wait()

    return script


@pytest.mark.parametrize(
    ("status", "error"),
    [("404 Not Found", ConnectionLost), ("410 Gone", ConnectionLost), ("401 Unauthorized", Refused)],
)
async def test_sse_posts_that_end_it(status: str, error: type[SidecarError]) -> None:
    """A session that is gone and credentials that expired close the channel."""
    async with scripted(sse_server(always(status))) as url:
        found = await failure(url, "sse")
    assert type(found) is error
    assert "session_id" not in found.message


async def test_sse_posts_that_fail_alone() -> None:
    """Any other status is the answer to that request; a notification is only logged."""
    async with scripted(sse_server(always("413 Too Large"))) as url, connected(url, "sse") as client:
        found = await client.request("tools/call")
        assert found["error"]["data"] == {
            "code": "SERVER_REFUSED",
            "hint": Refused.hint,
            "status": 413,
            "retryable": False,
        }
        await client.channel.send({"jsonrpc": "2.0", "method": "notifications/initialized"})


async def test_sse_connection_that_breaks_at_a_post() -> None:
    """A POST that is cut off is the answer to that request."""

    async def cut(_: Exchange) -> None:
        return

    async with scripted(sse_server(cut)) as url, connected(url, "sse") as client:
        assert "broke" in (await client.request("tools/call"))["error"]["message"]


async def test_sse_post_that_is_never_answered(hurried: None) -> None:
    """One message that is not taken does not hold the others up."""

    async def script(exchange: Exchange) -> None:
        if b"initialized" in exchange.body:
            await silence(exchange)
        await exchange.head("202 Accepted", "text/plain")
        await silence(exchange)

    async with scripted(sse_server(script)) as url, connected(url, "sse") as client:
        await client.channel.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        await client.begin("x", {})


async def test_sse_cancellation_waits_for_its_request() -> None:
    """A cancellation does not overtake the request; an unknown one is sent at once."""
    taken: list[str] = []
    release, both = asyncio.Event(), asyncio.Event()

    async def post(exchange: Exchange) -> None:
        message = json.loads(exchange.body)
        if message["method"] == "slow":
            await release.wait()
        taken.append(message.get("params", {}).get("requestId") or message["method"])
        release.set() if taken == ["unknown"] else None
        both.set() if len(taken) == 3 else None
        await exchange.reply("202 Accepted")

    async with scripted(sse_server(post)) as url, connected(url, "sse") as client:
        request_id = await client.begin("slow", {})
        for cancelled in (request_id, "unknown"):
            params = {"requestId": cancelled}
            await client.channel.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        await both.wait()
    assert taken == ["unknown", "slow", request_id]


async def test_sse_cancellation_of_a_post_that_is_never_answered(hurried: None) -> None:
    """A request whose POST is not even taken is given up with it: the connection does not stay."""
    began, left = asyncio.Event(), asyncio.Event()

    async def post(exchange: Exchange) -> None:
        if b"slow" in exchange.body:
            began.set()
            await gone(exchange, left, ping="HTTP/1.1 102 Processing\r\n\r\n")

    async with scripted(sse_server(post)) as url, connected(url, "sse") as client:
        params = {"requestId": await client.begin("slow", {})}
        await began.wait()
        await client.channel.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        await left.wait()


async def gone(exchange: Exchange, left: asyncio.Event, ping: str) -> None:
    """Write nothing but pings; `left` is set when the client closes the connection."""
    try:
        while True:
            await exchange.write(ping)
            await asyncio.sleep(0.01)
    finally:
        left.set()


async def test_what_is_no_frame_is_ignored() -> None:
    """Garbage, pings and unknown events do no harm; a batch is taken apart."""
    notices = [{"jsonrpc": "2.0", "method": f"n{index}"} for index in range(2)]
    stream = event("", "ping") + event("garbage") + event([1, {}]) + ": ping\n\n" + event(notices)
    async with scripted(sse_server(silence, stream)) as url, connected(url, "sse") as client:
        assert [(await client.notices.get())["method"] for _ in range(2)] == ["n0", "n1"]


async def test_a_fault_of_ours_closes_the_channel(caplog: pytest.LogCaptureFixture) -> None:
    """What should not happen is logged and ends in a reconnection, not in silence."""
    async with scripted(sse_server(silence)) as url, connected(url, "sse") as client:
        await client.channel.send({"method": "x", "id": 1, "params": {"unsendable": object()}})
        assert "A fault of the hub" in (await client.channel.wait_closed()).message
    assert "a fault of the hub ended a connection" in caplog.text


# --- messages over Streamable HTTP --------------------------------------------------------------------------------


async def established(client: Client) -> None:
    """Shake hands."""
    assert "result" in await client.request("initialize")


def http_server(after: Script, session: str = "") -> Script:
    """A Streamable HTTP server that shakes hands, and then does what `after` does."""

    async def script(exchange: Exchange) -> None:
        if b'"initialize"' in exchange.body:
            headers = {"mcp_session_id": session} if session else {}
            await exchange.reply("200 OK", answer(exchange), **headers)
        else:
            await after(exchange)

    return script


async def test_legacy_cancellation_closes_the_response() -> None:
    """A server that hangs and is told to give a call up does not keep the call's connection."""
    began, told, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def script(exchange: Exchange) -> None:
        if b"cancelled" in exchange.body:
            told.set()
            await exchange.reply("202 Accepted")
        else:
            began.set()
            await exchange.head("200 OK", STREAM)
            await gone(exchange, left, ping=": ping\n\n")

    async with scripted(http_server(script)) as url, connected(url, "http") as client:
        await established(client)
        params = {"requestId": await client.begin("tools/call", {})}
        await began.wait()
        await client.channel.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        await told.wait()
        await left.wait()


@pytest.mark.parametrize(
    ("script", "code", "part"),
    [
        (always("202 Accepted", ""), "SERVER_HANDSHAKE", "text/plain, which is not MCP"),
        (always("200 OK", "{", "application/json"), "SERVER_HANDSHAKE", "application/json, which is not MCP"),
        (always("200 OK", "<html>", "text/html"), "SERVER_HANDSHAKE", "text/html, which is not MCP"),
        (always("503 Busy"), "SERVER_REFUSED", "HTTP 503"),
        (always("403 Forbidden"), "SERVER_REFUSED", "HTTP 403"),
        (always("404 Not Found"), "SERVER_REFUSED", "HTTP 404"),
        (always("200 OK", event("nothing"), STREAM), "SERVER_CONNECTION_LOST", "without an answer"),
    ],
)
async def test_answers_that_are_none(script: Script, code: str, part: str) -> None:
    """After the handshake, a request that gets no answer gets an error, and the channel stays open if a ping is."""

    async def after(exchange: Exchange) -> None:
        await (exchange.reply("200 OK", answer(exchange)) if b'"ping"' in exchange.body else script(exchange))

    async with scripted(http_server(after)) as url, connected(url, "http") as client:
        await established(client)
        found = await client.request("tools/call")
        assert found["error"]["data"]["code"] == code
        assert part in found["error"]["message"]
        await client.channel.send({"jsonrpc": "2.0", "method": "notifications/initialized"})


@pytest.mark.parametrize("given_id", [None, "server-error", 1])
async def test_errors_in_refusals_are_answers(given_id: Any) -> None:
    """A JSON-RPC error in the body of a refusal is the answer, whatever id it has."""
    body = json.dumps(
        {"jsonrpc": "2.0", "id": given_id, "error": {"code": -32020, "message": "m", "data": {"a": None}}}
    )
    async with scripted(always("400 Bad Request", body, "application/json")) as url, connected(url, "http") as client:
        found = await client.request("initialize")
        assert found == {"jsonrpc": "2.0", "id": 1, "error": {"code": -32020, "message": "m", "data": {"a": None}}}


async def test_a_handshake_in_the_wrong_place() -> None:
    """A 404 to the handshake is a refusal; to another first request it is an answer, so that eras can be tried."""
    async with scripted(always("404 Not Found")) as url:
        assert isinstance(await failure(url, "http"), Refused)
        async with connected(url, "http") as client:
            assert (await client.request("server/discover"))["error"]["data"]["status"] == 404


@pytest.mark.parametrize("status", ["401 Unauthorized", "404 Not Found"])
async def test_an_expired_session(status: str) -> None:
    """Expired credentials and an unknown session close the channel."""
    async with scripted(http_server(always(status), "s1")) as url, connected(url, "http") as client:
        await established(client)
        await client.begin("tools/call", {})
        found = await client.channel.wait_closed()
        assert type(found) is (Refused if status.startswith("401") else ConnectionLost)


async def test_an_unknown_method_is_no_expired_session() -> None:
    """404 with METHOD_NOT_FOUND is about the method."""
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": -32601, "message": "m"}})
    script = http_server(always("404 Not Found", body, "application/json"), "s1")
    async with scripted(script) as url, connected(url, "http") as client:
        await established(client)
        assert (await client.request("no/such"))["error"]["code"] == -32601


async def test_session_and_version_go_with_each_message(hurried: None) -> None:
    """After the handshake they do, also with the DELETE at the end, which may take its time."""
    seen: list[tuple[str, str | None, str | None]] = []

    async def script(exchange: Exchange) -> None:
        seen.append(
            (exchange.method, exchange.headers.get("mcp-session-id"), exchange.headers.get("mcp-protocol-version"))
        )
        if exchange.method == "DELETE":
            await silence(exchange)
        elif exchange.method == "GET":
            await exchange.reply("405 Method Not Allowed")
        else:
            await exchange.reply("200 OK" if b'"id"' in exchange.body else "202 Accepted", answer_or_nothing(exchange))

    async with scripted(http_server(script, "s1")) as url, connected(url, "http") as client:
        await established(client)
        await client.channel.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        await client.request("tools/list")
    assert {method for method, *_ in seen} >= {"POST", "DELETE"}
    assert {rest for _, *rest in map(tuple, seen) for rest in [tuple(rest)]} == {("s1", "2025-06-18")}


def answer_or_nothing(exchange: Exchange) -> str:
    """The answer to a request, nothing to a notification."""
    return answer(exchange) if b'"id"' in exchange.body else ""


async def test_a_stream_is_resumed() -> None:
    """A stream that ends early goes on from its last event, after the delay that the server asked for."""
    asked: list[str] = []

    async def script(exchange: Exchange) -> None:
        if exchange.method == "POST":
            await exchange.head("200 OK", STREAM)
            await exchange.write(event("", id="e1", retry=1))
            return
        asked.append(exchange.headers["last-event-id"])
        if len(asked) == 1:
            await exchange.reply("502 Bad Gateway")
            return
        await exchange.head("200 OK", STREAM)
        if len(asked) == 2:
            await exchange.write(event({"jsonrpc": "2.0", "method": "n"}, id="e2"))
        else:
            await exchange.write(event({"jsonrpc": "2.0", "id": 2, "result": {"done": True}}, id="e3"))

    async with scripted(http_server(script)) as url, connected(url, "http") as client:
        await established(client)
        assert await client.request("tools/call") == {"jsonrpc": "2.0", "id": 2, "result": {"done": True}}
        assert client.notices.get_nowait()["method"] == "n"
    assert asked == ["e1", "e1", "e2"]


async def test_a_stream_that_cannot_be_resumed() -> None:
    """After three attempts without news the request gets an error."""

    async def script(exchange: Exchange) -> None:
        await exchange.head("200 OK", STREAM)
        await exchange.write(event("", id="e1", retry=1))

    async with scripted(http_server(script)) as url, connected(url, "http") as client:
        await established(client)
        assert "without an answer" in (await client.request("tools/call"))["error"]["message"]


async def test_a_stream_left_open_after_the_answer(hurried: None) -> None:
    """A server that does not end the stream costs no connection for long."""
    ended = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.head("200 OK", STREAM)
        await exchange.write(event(answer(exchange)))
        try:
            while True:
                await asyncio.sleep(0.01)
                await exchange.write(": ping\n\n")
        finally:
            ended.set()

    async with scripted(http_server(script)) as url, connected(url, "http") as client:
        await established(client)
        assert "result" in await client.request("tools/call")
        await ended.wait()


async def test_the_session_stream_is_given_up_where_it_is_not_served(hurried: None) -> None:
    """After three failures it is not asked for again, and calls go on."""
    asked = 0
    enough = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        nonlocal asked
        if exchange.method == "GET":
            asked += 1
            enough.set() if asked == 3 else None
            await exchange.reply("500 Fault")
        else:
            await exchange.reply("200 OK", answer_or_nothing(exchange))

    async with scripted(http_server(script, "s1")) as url, connected(url, "http") as client:
        await established(client)
        await client.channel.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        await enough.wait()
        assert "result" in await client.request("tools/list")
    assert asked == 3


async def test_the_session_stream_is_opened_again(hurried: None) -> None:
    """A stream that ends goes on from its last event; one that is no stream is left alone."""
    asked: list[str | None] = []
    enough = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        if exchange.method != "GET":
            await exchange.reply("200 OK", answer_or_nothing(exchange))
            return
        asked.append(exchange.headers.get("last-event-id"))
        if len(asked) == 3:
            enough.set()
            await exchange.reply("200 OK", "{}")
            return
        await exchange.head("200 OK", STREAM)
        await exchange.write(event({"jsonrpc": "2.0", "method": "n"}, id=f"e{len(asked)}", retry=1))

    async with scripted(http_server(script, "s1")) as url, connected(url, "http") as client:
        await established(client)
        await client.channel.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        await enough.wait()
        assert [(await client.notices.get())["method"] for _ in range(2)] == ["n", "n"]
    assert asked == [None, "e1", "e2"]


async def test_answers_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that would fill the memory is an error of that request."""
    monkeypatch.setattr(reading, "MAX_MESSAGE", 1000)
    long = json.dumps({"jsonrpc": "2.0", "id": 2, "result": {"text": "x" * 2000}})
    for script in (always("200 OK", long, "application/json"), always("200 OK", event(long), STREAM)):
        async with scripted(http_server(script)) as url, connected(url, "http") as client:
            await established(client)
            assert (await client.request("x"))["error"]["data"]["code"] == "SERVER_ANSWER_TOO_LARGE"


# --- finding out which it is --------------------------------------------------------------------------------------


def by_method(**scripts: Script) -> Script:
    """A server that does something else for each HTTP method."""

    async def script(exchange: Exchange) -> None:
        await scripts[exchange.method](exchange)

    return script


INITIALIZED = json.dumps({"jsonrpc": "2.0", "id": 0, "result": RESULT})
MODERN_ONLY = json.dumps({"jsonrpc": "2.0", "id": 0, "error": {"code": -32022, "message": "m"}})
ENDPOINT = always("200 OK", event("/m", "endpoint"), STREAM)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (by_method(POST=always("200 OK", INITIALIZED, "application/json")), "http"),
        (by_method(POST=always("200 OK", event("", id=1) + event(INITIALIZED), STREAM)), "http"),
        (by_method(POST=always("200 OK", "", STREAM)), "http"),
        (by_method(POST=always("400 Bad Request", MODERN_ONLY, "application/json")), "http"),
        (by_method(POST=ENDPOINT), "sse"),
        (by_method(POST=always("405 Method Not Allowed"), GET=ENDPOINT), "sse"),
        (by_method(POST=always("404 Not Found"), GET=ENDPOINT), "sse"),
        (by_method(POST=always("400 Bad Request", "{}", "application/json"), GET=ENDPOINT), "sse"),
    ],
)
async def test_detected(script: Script, expected: str) -> None:
    """What is answered to an InitializeRequest, else to a GET, tells."""
    async with scripted(script) as url:
        assert await detected(url) == expected


@pytest.mark.parametrize(
    ("script", "error", "part"),
    [
        (always("404 Not Found"), Refused, "HTTP 404"),
        (always("401 Unauthorized"), Refused, "HTTP 401"),
        (always("500 Fault"), Refused, "HTTP 500"),
        (always("200 OK", "<html>", "text/html"), HandshakeFailed, "text/html"),
        (by_method(POST=always("404 No"), GET=always("200 OK", "<html>", "text/html")), HandshakeFailed, "text/html"),
        (by_method(POST=always("404 No"), GET=always("200 OK", event("x"), STREAM)), HandshakeFailed, "not MCP"),
        (silence, Unreachable, "did not answer within 1 s"),
    ],
)
async def test_not_detected(script: Script, error: type[SidecarError], part: str, hurried: None) -> None:
    """The facts are told, without the secrets."""
    async with scripted(script) as url:
        with pytest.raises(error) as caught:
            await detected(f"{url}/?token=s3cret")
    assert part in caught.value.message
    assert "s3cret" not in caught.value.message


async def test_detection_reaches_nobody() -> None:
    """A port where nothing listens."""
    with pytest.raises(Unreachable, match="Connection refused"):
        await detected(f"http://127.0.0.1:{free_port()}/")


@pytest.mark.parametrize("end", [always("200 OK"), silence])
async def test_detection_ends_its_session(end: Script, hurried: None) -> None:
    """The session that the probe opened is deleted; a server that does not take that is not waited for."""
    ended: list[str] = []

    async def delete(exchange: Exchange) -> None:
        ended.append(exchange.headers["mcp-session-id"])
        await end(exchange)

    post = always("200 OK", INITIALIZED, "application/json", mcp_session_id="s1")
    async with scripted(by_method(POST=post, DELETE=delete)) as url:
        assert await detected(url) == "http"
    assert ended == ["s1"]
