"""Answers the requests that a server sends to its client, such as `ping`, `sampling/createMessage` or `roots/list`."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from sidecar.errors import INTERNAL_ERROR, METHOD_NOT_FOUND, SERVER_ERROR, ConnectionLost
from sidecar.features import uris
from sidecar.features.input_requests import FEATURES
from sidecar.protocol import jsonrpc
from sidecar.protocol.channel import Frame
from sidecar.protocol.jsonrpc import as_dict
from sidecar.upstream.client_features import ClientFeatures

log = logging.getLogger(__name__)

_token_numbers = itertools.count(1)

MAX_SERVER_REQUESTS = 1000
"""Limit for the requests of one server that wait for the hub's answer."""
TOO_MANY_SERVER_REQUESTS: dict[str, Any] = {
    "code": SERVER_ERROR,
    "message": f"{MAX_SERVER_REQUESTS} requests wait for their answer; there is no room for more.",
}

StartTask = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None] | None]
"""Starts a background task of the connection; None if the connection has ended."""


class FeatureOwner(Protocol):
    """The part of a connection's owner that the requests of the server need."""

    rename: Callable[[str], str]
    """Translates a URI of the server to the one that its client sees."""

    def feature_refused(self, method: str) -> None:
        """The server used a client feature (`method`) that a shared connection does not have."""


class ServerRequests:
    """The requests of one server that are being answered, each by a task.

    `client` answers all but `ping`; without one, the server is shared, and such requests are answered with an error.
    `send` sends a response frame, `notify` a notification (method, params); both raise ConnectionLost. `try_send` sends
    a response frame without waiting, or returns False.
    """

    def __init__(
        self,
        owner: FeatureOwner,
        client: ClientFeatures | None,
        start: StartTask,
        send: Callable[[Frame], Awaitable[None]],
        try_send: Callable[[Frame], bool],
        notify: Callable[[str, dict[str, Any]], Awaitable[None]],
    ) -> None:
        self._owner = owner
        self._client = client
        self._start = start
        self._send = send
        self._try_send = try_send
        self._notify = notify
        self._tasks: dict[int | str, asyncio.Task[None]] = {}
        """The tasks that answer the requests, by request id."""
        self._progress_tokens: dict[str, Any] = {}
        """The server's progress tokens, by the token that the client was given instead: two servers may use the same
        token, so the client gets one that is unique in the hub."""

    def on_request(self, frame: Frame) -> bool:
        """Answer a request of the server: at once if the client is not needed and there is room, else by a task.

        Returns whether the client is asked: then the client must get the request before the frames that follow it.
        """
        request_id = _id(frame["id"])
        if request_id in self._tasks:
            log.warning("a server used an id twice", extra={"method": frame["method"][:100]})
            return False
        answer = self._own_answer(frame)
        full = len(self._tasks) >= MAX_SERVER_REQUESTS
        if full:
            answer = jsonrpc.error(frame["id"], TOO_MANY_SERVER_REQUESTS)
        if answer is not None and (self._try_send(answer) or full):  # if full, it does not read its answers anyway
            return False
        task = self._start(self._reply(answer) if answer else self._let_client_answer(frame))
        if task is not None:
            self._tasks[request_id] = task
            task.add_done_callback(lambda _: self._tasks.pop(request_id, None))
        return answer is None and task is not None

    def on_cancelled(self, params: dict[str, Any]) -> None:
        """The server cancelled one of its requests (MCP, Cancellation): cancel the task that answers it."""
        if task := self._tasks.get(_id(params.get("requestId"))):
            task.cancel(params.get("reason"))  # `ClientFeatures.ask` takes the reason from the CancelledError

    async def client_reported(self, params: dict[str, Any]) -> None:
        """Pass on a progress notification of the client if it is about a request of this server.

        Raises:
            ConnectionLost: the notification could not be sent.
        """
        token = self._progress_tokens.get(str(params.get("progressToken")))
        if token is not None:
            await self._notify("notifications/progress", {**params, "progressToken": token})

    def _own_answer(self, frame: Frame) -> Frame | None:
        """The hub's answer to a request; None if the client of a `per_client` server has to answer it."""
        method, request_id = frame["method"], frame["id"]
        if method == "ping":
            return jsonrpc.result(request_id, {})
        if self._client is not None:
            return None
        why = "Method not found"
        if method in FEATURES:
            self._owner.feature_refused(method)
            why = f"{method}: this connection is shared by several clients"
        return jsonrpc.error(request_id, {"code": METHOD_NOT_FOUND, "message": why})

    async def _let_client_answer(self, frame: Frame) -> None:
        """Let the client answer a request.

        If the server cancels the request, the task is cancelled: the client is told so, and the server gets no answer.
        """
        if self._client is not None:
            answer = await self._ask_client(self._client, frame["method"], as_dict(frame.get("params")))
            await self._reply({**answer, "id": frame["id"]})

    async def _reply(self, answer: Frame) -> None:
        try:
            await self._send(answer)
        except ConnectionLost:
            log.debug("the server's connection ended before the answer to its request was sent")

    async def _ask_client(self, client: ClientFeatures, method: str, params: dict[str, Any]) -> Frame:
        exposed, token = f"hub-{next(_token_numbers)}", as_dict(params.get("_meta")).get("progressToken")
        if token is not None:
            self._progress_tokens[exposed] = token
            params = {**params, "_meta": {**params["_meta"], "progressToken": exposed}}
        try:
            return await client.ask(method, uris.rewrite_result(method, params, self._owner.rename))
        except Exception:  # an error of the client must not end the server's connection
            log.exception("a client could not be asked", extra={"method": method})
            return jsonrpc.error(0, {"code": INTERNAL_ERROR, "message": f"{method}: the client could not be asked"})
        finally:
            self._progress_tokens.pop(exposed, None)


def _id(value: Any) -> int | str:
    """A request id as a dictionary key: 1 and "1" differ; anything but an integer or string becomes ""."""
    return value if isinstance(value, int | str) else ""
