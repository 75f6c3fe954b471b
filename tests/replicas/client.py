"""A cheap client of each transport and era: asyncio streams, and no more of HTTP and MCP than the calls need."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from tests.support.raw_client import INITIALIZE, MODERN, MODERN_VERSION, Way

PATIENCE = 60.0
"""Seconds until an answer counts as lost."""
TOOL = "m_echo"


class Failed(Exception):
    """A request was not answered as it should be: `code` is that of the hub, or says what came instead."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code} {detail}".strip())
        self.code = code


class Connection:
    """One HTTP/1.1 connection, opened when it is needed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, method: str, path: str, message: Any = None, **headers: str) -> tuple[int, dict[str, str]]:
        """A request; the status and the headers of its response. Raises Failed."""
        if self._reader is None or self._reader.at_eof():
            self.close()
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        assert self._writer is not None
        body = b"" if message is None else json.dumps(message).encode()
        sent = {"host": "127.0.0.1", "accept": "application/json, text/event-stream", **headers}
        if body:
            sent |= {"content-type": "application/json", "content-length": str(len(body))}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in sent.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        first, *rest = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        self.head = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        return int(first.split()[1]), self.head

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body of the response, without the frames of chunks."""
        assert self._reader is not None
        if "content-length" in self.head:
            yield await self._reader.readexactly(int(self.head["content-length"]))
        elif self.head.get("transfer-encoding") == "chunked":
            while size := int(await self._reader.readuntil(b"\r\n"), 16):
                yield (await self._reader.readexactly(size + 2))[:-2]
            await self._reader.readexactly(2)
        if self.head.get("connection", "").lower() == "close":
            self.close()

    async def body(self) -> bytes:
        """The whole body."""
        return b"".join([piece async for piece in self.pieces()])

    async def events(self) -> AsyncIterator[str]:
        """The data of each event of a body that is an event stream."""
        data = b""
        async for piece in self.pieces():
            *events, data = (data + piece.replace(b"\r\n", b"\n")).split(b"\n\n")
            for event in events:
                if found := [line[6:] for line in event.decode().split("\n") if line.startswith("data: ")]:
                    yield "\n".join(found)

    def close(self) -> None:
        """End it."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


class Client:
    """A client of a workspace. `ports`: where its requests go, one after the other; with HTTP+SSE, its stream, too."""

    def __init__(self, way: Way, ports: list[int], slug: str = "w") -> None:
        self.way, self.ports = way, ports
        self._root = f"/mcp/{slug}"
        self._posts = [Connection(port) for port in ports]
        self._stream = Connection(ports[0])
        self._reading: asyncio.Task[None] | None = None
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self.session = ""

    @property
    def owner(self) -> str:
        """The name of the replica that has its session."""
        return self.session.partition(".")[0]

    @property
    def cut_off(self) -> bool:
        """Whether its stream of HTTP+SSE has ended."""
        return self._reading is not None and self._reading.done()

    async def open(self) -> None:
        """The handshake, where there is one. Raises Failed."""
        self.session = ""
        if self.way == "modern":
            return
        if self.way == "sse":
            self.close()
            first = asyncio.get_running_loop().create_future()
            self._reading = asyncio.create_task(self._read(first))
            self.session = (await self._within(first)).rpartition("session_id=")[2]
        await self.ask("initialize", INITIALIZE)
        await self._post({"jsonrpc": "2.0", "method": "notifications/initialized"}, None)

    async def call(self, nonce: str) -> None:
        """Call the tool that echoes. Raises Failed: WRONG_ANSWER, where it was another text."""
        answer = await self.ask("tools/call", {"name": TOOL, "arguments": {"text": nonce}})
        if "error" in answer:
            raise Failed(str(answer["error"].get("data", {}).get("code")), str(answer["error"]))
        text = answer["result"]["content"][0]["text"]
        if text != nonce:
            raise Failed("WRONG_ANSWER" if not answer["result"].get("isError") else "TOOL_ERROR", f"{text} for {nonce}")

    async def ask(self, method: str, params: dict[str, Any]) -> Any:
        """The response to a request. Raises Failed."""
        self._number += 1
        if self.way == "modern":
            params = {**params, "_meta": MODERN}
        return await self._post(
            {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}, self._number
        )

    async def _post(self, message: dict[str, Any], number: int | None) -> Any:
        path, headers = self._root, {}
        if self.way == "modern":
            headers = {"mcp_protocol_version": MODERN_VERSION, "mcp_method": message["method"], "mcp_name": TOOL}
        elif self.way == "sse":
            path = f"{self._root}/messages?session_id={self.session}"
        elif self.session:
            headers = {"mcp_session_id": self.session}
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if number is not None and self.way == "sse":
            self._answers[number] = waiting
        posts = self._posts[self._number % len(self._posts)]
        try:
            return await self._within(self._exchange(posts, path, message, number, headers, waiting))
        except Failed:
            posts.close()
            raise
        finally:
            self._answers.pop(self._number, None)

    async def _exchange(
        self,
        posts: Connection,
        path: str,
        message: dict[str, Any],
        number: int | None,
        headers: dict[str, str],
        waiting: asyncio.Future[Any],
    ) -> Any:
        status, head = await posts.send("POST", path, message, **headers)
        if status >= 300:
            raise _refusal(status, await posts.body())
        if self.way == "http" and "mcp-session-id" in head:
            self.session = head["mcp-session-id"]
        if head.get("content-type", "").startswith("text/event-stream"):
            found = None
            async for event in posts.events():
                if (read := json.loads(event)).get("id") == number and "method" not in read:
                    found = read
            if found is None:
                raise Failed("STREAM_ENDED")
            return found
        body = await posts.body()
        if self.way == "sse" and number is not None:
            return await waiting
        return json.loads(body) if number is not None else None

    async def _within(self, waiting: Any) -> Any:
        try:
            return await asyncio.wait_for(waiting, PATIENCE)
        except TimeoutError:
            raise Failed("NO_ANSWER") from None
        except (OSError, EOFError) as error:
            raise Failed("CONNECTION_LOST", repr(error)) from None

    async def _read(self, first: asyncio.Future[str]) -> None:
        """Take the stream of HTTP+SSE apart until it ends."""
        try:
            status, _ = await self._stream.send("GET", f"{self._root}/sse")
            if status != 200:
                raise _refusal(status, await self._stream.body())
            async for event in self._stream.events():
                if not first.done():
                    first.set_result(event)
                elif (waiting := self._answers.get((read := json.loads(event)).get("id"))) and not waiting.done():
                    waiting.set_result(read)
        except (OSError, EOFError, Failed) as error:
            if not first.done():
                first.set_exception(error if isinstance(error, Failed) else Failed("CONNECTION_LOST", repr(error)))
        finally:
            if not first.done():
                first.set_exception(Failed("STREAM_ENDED"))
            for waiting in self._answers.values():
                if not waiting.done():
                    waiting.set_exception(Failed("STREAM_ENDED"))
                    waiting.exception()  # perhaps nobody waits any more: its request was refused

    def close(self) -> None:
        """End all of its connections."""
        if self._reading is not None:
            self._reading.cancel()
        for each in (*self._posts, self._stream):
            each.close()


def _refusal(status: int, body: bytes) -> Failed:
    """The hub's code in a refusal; else the status, which then is of a balancer."""
    with contextlib.suppress(ValueError, TypeError, AttributeError, LookupError):
        return Failed(json.loads(body)["error"]["data"]["code"])
    return Failed(f"HTTP_{status}", body[:100].decode("utf-8", "replace"))
