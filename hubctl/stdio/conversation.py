"""The state of a client's conversation with the hub that a new session needs to continue it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson

from bridge.errors import HubError
from hubctl.errors import HubLost, LineNotMessage

Frame = dict[str, Any]

PARSE_ERROR, INVALID_REQUEST, HUB_ERROR = -32700, -32600, -32010
"""JSON-RPC error codes; the sidecar uses the last one, too."""
OWN_ID_PREFIX = "hubctl-"
"""Prefix of the ids of the bridge's own requests."""
LISTEN = "subscriptions/listen"
_CARRIED = frozenset({"initialize", LISTEN})
"""Methods whose pending requests are sent again in a new session, instead of failing."""
_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
_VERSION = "io.modelcontextprotocol/protocolVersion"
"""Key in the `_meta` of each modern request."""
_ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
_CHANGED = {"tools": "toolsListChanged", "prompts": "promptsListChanged", "resources": "resourcesListChanged"}


class Conversation:
    """The conversation of one client, across the sessions that it takes.

    The hub's requests get new ids, because a new session may reuse the ids of the previous one.
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
        """Return whether a request waits for its response; `subscriptions/listen`, which ends with the client, does not
        count.
        """
        return any(frame["method"] != LISTEN for frame in self.waiting.values())

    # --- in a session ------------------------------------------------------------------------------------------------

    def from_client(self, frame: Frame) -> Frame | None:
        """Return the frame to send to the hub; None for a response to a request of an earlier session."""
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
        """Handle the client's cancellation; only in the modern era no response follows (MCP 2026-07-28, Cancellation).

        The hub answers a cancelled legacy request with error -32800, which is passed on, because some clients wait for
        it. If the session ends first, `lost` answers it like any other request.
        """
        request = self.waiting.get(request_id)
        if request is not None and _VERSION in (_params(request).get("_meta") or {}):
            del self.waiting[request_id]

    def from_hub(self, frame: Frame) -> list[Frame]:
        """Return the frame to send to the client."""
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
        """Return the frames to send to the client after a request could not be delivered."""
        return self._answered({"jsonrpc": "2.0", "id": request.get("id"), "error": error})

    # --- between two -------------------------------------------------------------------------------------------------

    def lost(self, error: HubLost) -> list[Frame]:
        """Return the frames to send to the client after the session ended."""
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
        """Return the handshake that a new session needs first; None if the client never completed one."""
        if self._greeting is None or self._greeting["id"] in self.waiting:
            return None
        return {"method": "initialize", "params": _params(self._greeting)}

    def restored(self) -> list[Frame]:
        """Return requests that restore the client's log level and subscriptions in the new session."""
        found = [{"method": "logging/setLevel", "params": self._log_level}] if self._log_level else []
        return found + [{"method": "resources/subscribe", "params": params} for params in self._subscribed.values()]

    def repeated(self) -> list[Frame]:
        """Return the client's requests that are sent again unchanged."""
        self._again = {key for key, frame in self.waiting.items() if frame["method"] == LISTEN}
        return list(self.waiting.values())

    def list_changes(self) -> list[Frame]:
        """Return notifications that make a legacy client read the lists again, once a new session is open."""
        if not self.initialized:
            return []
        kinds = [kind for kind in _CHANGED if (self._capabilities.get(kind) or {}).get("listChanged")]
        found = [_notice(f"notifications/{kind}/list_changed") for kind in kinds]
        return found + [_notice("notifications/resources/updated", {"uri": uri}) for uri in self._subscribed]


def _news_for(listen: Frame) -> Iterator[Frame]:
    """Return the same for a modern client that listens."""
    wanted = _params(listen).get("notifications") or {}
    meta = {"_meta": {_SUBSCRIPTION: listen["id"]}}
    for kind, name in _CHANGED.items():
        if wanted.get(name):
            yield _notice(f"notifications/{kind}/list_changed", meta)
    for uri in wanted.get("resourceSubscriptions") or ():
        yield _notice("notifications/resources/updated", {"uri": uri, **meta})


def decode(data: bytes) -> Any:
    """Parse JSON leniently: lone surrogates and NaN are accepted. Raises ValueError."""
    try:
        return orjson.loads(data)
    except ValueError:
        return json.loads(data)


def encode(frame: Frame) -> bytes:
    """Encode a message on one line."""
    try:
        return orjson.dumps(frame)
    except TypeError:  # half characters, integers of more than 64 bits
        return json.dumps(frame, separators=(",", ":")).encode()


def check(value: Any) -> Frame:
    """Check that a value is a JSON-RPC message (JSON-RPC 2.0, sections 4 and 5; MCP has no batches and no null ids).

    Raises:
        LineNotMessage: it is not.
    """
    if isinstance(value, dict):
        well_named = isinstance(value.get("id"), str | int) and not isinstance(value["id"], bool)
        if isinstance(value.get("method"), str) and ("id" not in value or well_named):
            return value
        if "method" not in value and well_named and ("result" in value or "error" in value):
            return value
    raise LineNotMessage("A line on stdin is no JSON-RPC message.")


def error_frame(request_id: str | int | None, error: HubError, rpc_code: int = HUB_ERROR) -> Frame:
    """Return an error response."""
    return {"jsonrpc": "2.0", "id": request_id, "error": rpc_error(error, rpc_code)}


def rpc_error(error: HubError, rpc_code: int = HUB_ERROR) -> dict[str, Any]:
    """Return an error of the hub as a JSON-RPC error (section 5.1), with its code and hint in `data`."""
    return {
        "code": rpc_code,
        "message": f"{error.message} {error.advice}".strip(),
        "data": {"code": error.code, "hint": error.advice},
    }


def _key(value: Any) -> str | int:
    """Return a hashable form of an id; None if the value is no valid id."""
    return value if isinstance(value, str | int) else ""


def _params(frame: Frame) -> dict[str, Any]:
    params = frame.get("params")
    return params if isinstance(params, dict) else {}


def _notice(method: str, params: dict[str, Any] | None = None) -> Frame:
    return {"jsonrpc": "2.0", "method": method, **({"params": params} if params else {})}
