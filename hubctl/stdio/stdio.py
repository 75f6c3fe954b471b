"""`hubctl run WORKSPACE`: MCP on stdin and stdout, for clients that start a command, through the running hub."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import time
from pathlib import Path

from bridge.deadlines import set_within
from bridge.errors import PeerUnavailable
from bridge.keys import hash_in
from bridge.models import ReadStatus
from bridge.runtime import is_served
from bridge.settings import Settings
from hubctl.context import Context
from hubctl.errors import ArgumentsInvalid, HubLost, HubNotRunning, HubRefused, LineNotJson, LineNotMessage
from hubctl.lookup import find_status
from hubctl.run.access import read_token
from hubctl.stdio.conversation import (
    INVALID_REQUEST,
    OWN_ID_PREFIX,
    PARSE_ERROR,
    Conversation,
    Frame,
    check,
    decode,
    encode,
    error_frame,
)
from hubctl.stdio.pipes import Lines, Output, private_stdout
from hubctl.stdio.stream import Endpoint, Session

END_WAIT = 10.0
"""Seconds that pending requests have at the end of input."""
LOOK = 0.25
FIRST_DELAY, LONGEST_DELAY = 0.1, 2.0
TOKEN_VARIABLE = "YAMCP_HUB_TOKEN"  # noqa: S105  # its name


async def run_workspace(context: Context, workspace: str, token_file: Path | None) -> int:
    """Serve a client until its input ends (returns 0), SIGTERM (0) or SIGINT (130).

    Raises:
        HubNotRunning: no hub runs within `HUB_STDIO_WAIT` seconds (`Settings.stdio_wait`).
        NoSuchWorkspace: the hub does not have the workspace.
        HubRefused: the hub refuses the client's token.
        NoToken, ArgumentsInvalid: the hub requires a token, and none was given that can be used.
    """
    stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        asyncio.get_running_loop().add_signal_handler(number, _settle, stopped, code)
    serving = asyncio.create_task(_serve(context, workspace, token_file))
    await asyncio.wait([stopped, serving], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        return serving.result()
    serving.cancel()
    await asyncio.wait([serving])
    return stopped.result()


def _settle(stopped: asyncio.Future[int], code: int) -> None:
    if not stopped.done():
        stopped.set_result(code)


async def _serve(context: Context, workspace: str, token_file: Path | None) -> int:
    wait = context.settings.stdio_wait
    deadline = time.monotonic() + wait
    slug = await _find(context, workspace, deadline)
    token = client_token(context.settings, token_file) if is_served(context.settings.sidecar_socket) else ""
    bridge = Bridge(endpoint(context.settings, slug, token), Output(private_stdout()), wait)
    return await bridge.run(Lines(), deadline)


async def _find(context: Context, workspace: str, deadline: float) -> str:
    """Wait for a hub that has read its files, and return the slug of a workspace."""
    while time.monotonic() < deadline:
        with contextlib.suppress(PeerUnavailable):
            async with context.actual() as hub:
                status = await hub.request(ReadStatus(), timeout=1)
            if status.applied is not None:
                return find_status(status, workspace).slug
        await asyncio.sleep(LOOK)
    settings = context.settings
    raise HubNotRunning(f"No hub runs with {settings.runtime}; it was waited for {settings.stdio_wait:g} s.")


def endpoint(settings: Settings, slug: str, token: str) -> Endpoint:
    """Return the sidecar's endpoint of a workspace; in a protected hub, over its Unix socket and with a token."""
    if token:
        return Endpoint(f"http://localhost/mcp/{slug}/sse", settings.sidecar_socket, token)
    return Endpoint(f"{settings.sidecar_url}/mcp/{slug}/sse")


def client_token(settings: Settings, file: Path | None) -> str:
    """Return the token: from the given file, from YAMCP_HUB_TOKEN, or the hub's own.

    Raises:
        ArgumentsInvalid: the file is unreadable or contains no token.
        NoToken: no source has a token.
    """
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or read_token(settings)
    try:
        found = file.expanduser().read_text("utf-8", "replace").strip()
    except OSError as error:
        raise ArgumentsInvalid(f"--token-file: {file} cannot be read: {error.strerror}.") from None
    if hash_in(found) is None:
        raise ArgumentsInvalid(f"--token-file: {file} holds no token.", hint="`hubctl keys add NAME` shows one.")
    return found


class Bridge:
    """Forwards messages between a client and its session with the hub, and opens a new session when one ends.

    `wait`: seconds that a client's request waits for the next session after one has ended.
    """

    def __init__(self, hub: Endpoint, output: Output, wait: float) -> None:
        self._hub = hub
        self._output = output
        self._wait = wait
        self._conversation = Conversation()
        self._session: Session | None = None
        self._ready = asyncio.Event()
        self._lost_at = time.monotonic()
        self._answered = asyncio.Event()
        self._own: dict[str, asyncio.Future[Frame]] = {}
        self._ids = itertools.count(1)

    async def run(self, lines: Lines, deadline: float) -> int:
        """Serve until the input ends; return 0. `deadline` for the first session is in monotonic seconds.

        Raises:
            HubLost, HubRefused: there is no first session by then.
            BrokenPipeError: the client has closed its end.
        """
        tasks = [asyncio.create_task(self._feed(lines)), asyncio.create_task(self._keep_session(deadline))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return 0

    # --- from the client ---------------------------------------------------------------------------------------------

    async def _feed(self, lines: Lines) -> None:
        async for line in lines:
            try:
                frame = check(decode(line))
            except ValueError:
                await self._tell(error_frame(None, LineNotJson("A line on stdin is not JSON."), PARSE_ERROR))
            except LineNotMessage as error:
                await self._tell(error_frame(None, error, INVALID_REQUEST))
            else:
                await self._pass_on(frame, line)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_WAIT):
                while self._conversation.unanswered:
                    self._answered.clear()
                    await self._answered.wait()

    async def _pass_on(self, frame: Frame, line: bytes) -> None:
        if not await self._is_ready():
            if "method" in frame and "id" in frame:
                await self._tell(error_frame(frame["id"], HubLost(f"The hub is away for more than {self._wait:g} s.")))
            return
        given = self._conversation.from_client(frame)
        if given is not None and self._session is not None:
            await self._post(self._session, given, line if given is frame else encode(given))

    async def _is_ready(self) -> bool:
        """Wait for a session, for at most `wait` seconds since the last one ended; return whether there is one."""
        return await set_within(self._ready, max(0.0, self._lost_at + self._wait - time.monotonic()))

    async def _post(self, session: Session, frame: Frame, message: bytes) -> None:
        """Send a frame to the hub; answer a request that the hub refuses, unless the session ends with the refusal."""
        try:
            error = await session.post(message)
        except HubLost:
            session.give_up()  # with which requests that wait are answered
            return
        if error is not None:
            for told in self._conversation.failed(frame, error):
                await self._tell(told)

    # --- from the hub ------------------------------------------------------------------------------------------------

    async def _keep_session(self, deadline: float) -> None:
        """Keep a session open, and open the next when one ends. Raises as `run` does if the first cannot be opened."""
        delay, once = FIRST_DELAY, False
        while True:
            try:
                async with self._hub.session() as session:
                    await self._serve_session(session)
                lost = HubLost("The hub ended the session.")
            except HubLost as error:
                lost = error
            except HubRefused as error:
                if not once and error.data["status"] != 503:  # it is starting, or full
                    raise
                lost = HubLost(error.message)
            once = once or self._ready.is_set()
            if self._ready.is_set():
                self._ready.clear()
                self._lost_at, delay = time.monotonic(), FIRST_DELAY
            elif not once and time.monotonic() > deadline:
                raise lost
            self._session = None
            for frame in self._conversation.lost(lost):
                await self._tell(frame)
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_DELAY)

    async def _serve_session(self, session: Session) -> None:
        tasks = [
            asyncio.create_task(self._read(session)),
            asyncio.create_task(self._catch_up(session)),
            asyncio.create_task(session.given_up()),
        ]
        reading, catching_up, given_up = tasks
        try:
            await asyncio.wait([reading, catching_up, given_up], return_when=asyncio.FIRST_COMPLETED)
            if catching_up.done():
                catching_up.result()
                await asyncio.wait([reading, given_up], return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, session: Session) -> None:
        async for frame, written in session:
            if "method" not in frame and (own := self._own.get(str(frame.get("id")))):
                if not own.done():
                    own.set_result(frame)
                continue
            for told in self._conversation.from_hub(frame):
                await self._output.write((written if told is frame else encode(told)) + b"\n")
            self._answered.set()

    async def _catch_up(self, session: Session) -> None:
        """Restore the conversation's state in a new session, then resume the client's messages."""
        conversation = self._conversation
        if greeting := conversation.handshake():
            answer = await self._ask(session, greeting)
            if "error" in answer:
                raise HubLost("The hub did not take the handshake again.")
            if conversation.initialized:
                await session.post(encode({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            for wish in conversation.restored():
                await self._ask(session, wish)
        for frame in conversation.repeated():
            await self._post(session, frame, encode(frame))
        news = conversation.list_changes() if greeting else []
        self._session = session
        self._ready.set()
        for frame in news:
            await self._tell(frame)

    async def _ask(self, session: Session, request: Frame) -> Frame:
        """Send a request of the bridge itself, and return its response. Raises HubLost."""
        request_id = f"{OWN_ID_PREFIX}{next(self._ids)}"
        future = self._own[request_id] = asyncio.get_running_loop().create_future()
        try:
            if error := await session.post(encode({"jsonrpc": "2.0", "id": request_id, **request})):
                return {"error": error}
            answer: Frame = await future
            return answer
        finally:
            del self._own[request_id]

    async def _tell(self, frame: Frame) -> None:
        """Write a message to the client."""
        await self._output.write(encode(frame) + b"\n")
        self._answered.set()
