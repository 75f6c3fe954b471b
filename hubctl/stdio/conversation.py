"""What a client on stdio and the hub have said to each other, as far as a new session has to know it (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson

from bridge.errors import HubError
from hubctl.errors import HubLost, LineNotMessage

Frame = dict[str, Any]

PARSE_ERROR, INVALID_REQUEST, HUB_ERROR = -32700, -32600, -32010
"""JSON-RPC codes; the last is what the sidecar uses too."""
OWN = "hubctl-"
"""What the ids of requests begin with that are the bridge's own."""
LISTEN = "subscriptions/listen"
_CARRIED = frozenset({"initialize", LISTEN})
"""Requests that are asked again in a new session rather than answered with an error."""
_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
_VERSION = "io.modelcontextprotocol/protocolVersion"
"""In the `_meta` of each request of the modern era."""
_ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
_CHANGED = {"tools": "toolsListChanged", "prompts": "promptsListChanged", "resources": "resourcesListChanged"}


class Conversation:
    """One client's conversation, over as many sessions as it takes.

    Requests of the hub get ids of ours, since a new session may use the ids of the old one again.
    """

    def __init__(self) -> None:
        self.waiting: dict[str | int, Frame] = {}
        """The client's requests that are not answered yet, by id."""
        self.initialized = False
        self._greeting: Frame | None = None
        self._capabilities: dict[str, Any] = {}
        self._log_level: dict[str, Any] | None = None
        self._subscribed: dict[str, dict[str, Any]] = {}
        self._asked: dict[int, str | int] = {}
        self._next = 0
        self._again: set[str | int] = set()

    @property
    def unanswered(self) -> bool:
        """Whether an answer is to come that somebody waits for; one to `subscriptions/listen` comes at its end."""
        return any(frame["method"] != LISTEN for frame in self.waiting.values())

    # --- in a session ------------------------------------------------------------------------------------------------

    def from_client(self, frame: Frame) -> Frame | None:
        """What the hub is to be sent; none for answers to what a session asked that is over."""
        if "method" not in frame:
            asked = self._asked.pop(frame["id"], None)
            return None if asked is None else {**frame, "id": asked}
        if "id" in frame:
            self.waiting[frame["id"]] = frame
            if frame["method"] == "initialize":
                self._greeting = frame
        elif frame["method"] == "notifications/initialized":
            self.initialized = True
        elif frame["method"] == "notifications/cancelled":
            self._given_up(_key(_params(frame).get("requestId")))
        return frame

    def _given_up(self, request_id: str | int) -> None:
        """The client cancels a request: only in the modern era is that the last of it (MCP 2026-07-28, Cancellation).

        The hub answers a legacy request that was cancelled with error -32800, which is passed on: some clients wait
        for it. One that the session did not answer is answered by `lost`, as any other.
        """
        request = self.waiting.get(request_id)
        if request is not None and _VERSION in (_params(request).get("_meta") or {}):
            del self.waiting[request_id]

    def from_hub(self, frame: Frame) -> list[Frame]:
        """What the client is to be sent."""
        if "method" not in frame:
            return self._answered(frame)
        if "id" in frame:
            self._next += 1
            self._asked[self._next] = frame["id"]
            return [{**frame, "id": self._next}]
        if frame["method"] == "notifications/cancelled":
            return [self._cancelled(frame)]
        if frame["method"] == _ACKNOWLEDGED and (request := self._listens_again(frame)):
            return list(_news_for(request))
        return [frame]

    def _answered(self, frame: Frame) -> list[Frame]:
        request = self.waiting.pop(_key(frame.get("id")), None)
        if request is None:  # a modern one that was cancelled, or answered with an error already
            return []
        if isinstance(result := frame.get("result"), dict):
            self._learn(request, result)
        elif request["method"] == "initialize":
            self._greeting = None
        return [frame]

    def _learn(self, request: Frame, result: dict[str, Any]) -> None:
        method, params = request["method"], _params(request)
        uri = str(params.get("uri"))
        if method == "initialize":
            self._capabilities = result.get("capabilities") or {}
        elif method == "logging/setLevel":
            self._log_level = params
        elif method == "resources/subscribe":
            self._subscribed[uri] = params
        elif method == "resources/unsubscribe":
            self._subscribed.pop(uri, None)

    def _cancelled(self, frame: Frame) -> Frame:
        params = _params(frame)
        ours = next((ours for ours, hubs in self._asked.items() if hubs == params.get("requestId")), None)
        if ours is None:
            return frame
        del self._asked[ours]
        return {**frame, "params": {**params, "requestId": ours}}

    def _listens_again(self, frame: Frame) -> Frame | None:
        request_id = (_params(frame).get("_meta") or {}).get(_SUBSCRIPTION)
        if request_id not in self._again:
            return None
        self._again.discard(request_id)
        return self.waiting.get(request_id)

    def failed(self, request: Frame, error: dict[str, Any]) -> list[Frame]:
        """A request could not be delivered: what the client is to be sent."""
        return self._answered({"jsonrpc": "2.0", "id": request.get("id"), "error": error})

    # --- between two -------------------------------------------------------------------------------------------------

    def lost(self, error: HubLost) -> list[Frame]:
        """The session is over: what the client is to be sent."""
        carried = {key: frame for key, frame in self.waiting.items() if frame["method"] in _CARRIED}
        frames = [error_frame(key, error) for key in self.waiting if key not in carried]
        for ours in self._asked:
            params = {"requestId": ours, "reason": error.message}
            frames.append({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        self.waiting = carried
        self._asked.clear()
        self._again.clear()
        return frames

    def handshake(self) -> Frame | None:
        """The handshake that a new session needs before anything else; none where the client had none answered."""
        if self._greeting is None or self._greeting["id"] in self.waiting:
            return None
        return {"method": "initialize", "params": _params(self._greeting)}

    def wishes(self) -> list[Frame]:
        """What the client had asked of the session, for the new one: its log level, and its subscriptions."""
        found = [{"method": "logging/setLevel", "params": self._log_level}] if self._log_level else []
        return found + [{"method": "resources/subscribe", "params": params} for params in self._subscribed.values()]

    def carried(self) -> list[Frame]:
        """The client's requests that are to be sent again as they were."""
        self._again = {key for key, frame in self.waiting.items() if frame["method"] == LISTEN}
        return list(self.waiting.values())

    def news(self) -> list[Frame]:
        """What tells a client of the legacy era to look again, once a new session stands."""
        if not self.initialized:
            return []
        kinds = [kind for kind in _CHANGED if (self._capabilities.get(kind) or {}).get("listChanged")]
        found = [_notice(f"notifications/{kind}/list_changed") for kind in kinds]
        return found + [_notice("notifications/resources/updated", {"uri": uri}) for uri in self._subscribed]


def _news_for(listen: Frame) -> Iterator[Frame]:
    """The same for a client of the modern era that listens."""
    wanted = _params(listen).get("notifications") or {}
    meta = {"_meta": {_SUBSCRIPTION: listen["id"]}}
    for kind, name in _CHANGED.items():
        if wanted.get(name):
            yield _notice(f"notifications/{kind}/list_changed", meta)
    for uri in wanted.get("resourceSubscriptions") or ():
        yield _notice("notifications/resources/updated", {"uri": uri, **meta})


def decode(data: bytes) -> Any:
    """The JSON in it, as widely as JSON is understood: half characters and NaN too. Raises ValueError."""
    try:
        return orjson.loads(data)
    except ValueError:
        return json.loads(data)


def encode(frame: Frame) -> bytes:
    """A message on one line."""
    try:
        return orjson.dumps(frame)
    except TypeError:  # half characters, integers of more than 64 bits
        return json.dumps(frame, separators=(",", ":")).encode()


def check(value: Any) -> Frame:
    """A JSON-RPC message (JSON-RPC 2.0, sections 4 and 5; MCP has no batches and no null ids).

    Raises:
        LineNotMessage: it is none.
    """
    if isinstance(value, dict):
        well_named = isinstance(value.get("id"), str | int) and not isinstance(value["id"], bool)
        if isinstance(value.get("method"), str) and ("id" not in value or well_named):
            return value
        if "method" not in value and well_named and ("result" in value or "error" in value):
            return value
    raise LineNotMessage("A line on stdin is no JSON-RPC message.")


def error_frame(request_id: str | int | None, error: HubError, rpc_code: int = HUB_ERROR) -> Frame:
    """The response that says so."""
    return {"jsonrpc": "2.0", "id": request_id, "error": rpc_error(error, rpc_code)}


def rpc_error(error: HubError, rpc_code: int = HUB_ERROR) -> dict[str, Any]:
    """An error of the hub's as JSON-RPC has it (section 5.1); its own code and hint are in `data`."""
    return {
        "code": rpc_code,
        "message": f"{error.message} {error.advice}".strip(),
        "data": {"code": error.code, "hint": error.advice},
    }


def _key(value: Any) -> str | int:
    """An id, or what is none."""
    return value if isinstance(value, str | int) else ""


def _params(frame: Frame) -> dict[str, Any]:
    params = frame.get("params")
    return params if isinstance(params, dict) else {}


def _notice(method: str, params: dict[str, Any] | None = None) -> Frame:
    return {"jsonrpc": "2.0", "method": method, **({"params": params} if params else {})}
