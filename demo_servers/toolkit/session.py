"""The one connection of a server: its era, what the client said of itself, calls in flight, and notices to it."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from typing import Any

from demo_servers.toolkit.wire import (
    INVALID_PARAMS,
    MISSING_CAPABILITY,
    UNSUPPORTED_VERSION,
    Cancelled,
    InputRequired,
    Json,
    Pipe,
    RpcError,
    ToolError,
)

LEGACY_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSIONS = ("2026-07-28",)
META = "io.modelcontextprotocol/"
LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
CHANGES = {
    "notifications/tools/list_changed": "toolsListChanged",
    "notifications/prompts/list_changed": "promptsListChanged",
    "notifications/resources/list_changed": "resourcesListChanged",
}
FEATURES = {"sampling/createMessage": "sampling", "elicitation/create": "elicitation", "roots/list": "roots"}


class Session:
    """State of the connection. The reader's thread changes it; threads of slow calls read it and send."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self.era = ""
        self.version = ""
        self.client: Json = {}
        self.capabilities: Json = {}
        self.initialized = False
        self.log_level = "debug"
        self.cancelled = 0
        self.requests: Counter[str] = Counter()
        """How often the client asked for what."""
        self.calls: dict[str | int, Call] = {}
        self.subscriptions: set[str] = set()
        self.listeners: dict[str | int, Json] = {}
        self._ids = itertools.count(1)
        self._waiting: dict[str, tuple[threading.Event, Json]] = {}

    def notify(self, method: str, params: Json | None = None) -> None:
        """Send a notification."""
        frame: Json = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            frame["params"] = params
        self.pipe.send(frame)

    def changed(self, method: str) -> None:
        """Tell that a list changed: to the session, or to those who listen."""
        if self.era == "modern":
            self._tell_listeners(method, {}, lambda wanted: bool(wanted.get(CHANGES[method])))
        elif self.initialized:
            self.notify(method)

    def updated(self, uri: str) -> None:
        """Tell that a resource changed, if the client asked to be told."""
        method = "notifications/resources/updated"
        if self.era == "modern":
            self._tell_listeners(method, {"uri": uri}, lambda wanted: uri in wanted.get("resourceSubscriptions", ()))
        elif uri in self.subscriptions:
            self.notify(method, {"uri": uri})

    def _tell_listeners(self, method: str, params: Json, wants: Any) -> None:
        for listener, wanted in list(self.listeners.items()):
            if wants(wanted):
                self.notify(method, {**params, "_meta": {f"{META}subscriptionId": listener}})

    def request_all(self, questions: dict[str, tuple[str, Json]], call: Call) -> dict[str, Json]:
        """Ask the client (legacy era) and wait for its answers, by key.

        Raises:
            Cancelled: the call on whose behalf it is asked was cancelled.
            RpcError: the client answered with an error.
        """
        sent: dict[str, str] = {}
        for key, (method, params) in questions.items():
            request_id = sent[key] = f"{META}{next(self._ids)}"
            self._waiting[request_id] = (threading.Event(), {})
            self.pipe.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        try:
            return {key: self._answer(request_id, call) for key, request_id in sent.items()}
        finally:
            for request_id in sent.values():
                del self._waiting[request_id]

    def _answer(self, request_id: str, call: Call) -> Json:
        answered, answer = self._waiting[request_id]
        while not answered.wait(0.05):
            if call.cancelled.is_set():
                self.notify("notifications/cancelled", {"requestId": request_id})
                raise Cancelled
        if error := answer.get("error"):
            raise RpcError(error["code"], error["message"], error.get("data"))
        result: Json = answer["result"]
        return result

    def resolve(self, frame: Json) -> None:
        """Take the client's answer to a request of ours; an unknown one is ignored."""
        if waiting := self._waiting.get(str(frame.get("id"))):
            answered, answer = waiting
            answer.update(frame)
            answered.set()

    def cancel(self, request_id: Any) -> None:
        """The client cancels a call or ends a listen stream; neither is answered any more."""
        self.listeners.pop(request_id, None)
        if call := self.calls.get(request_id):
            call.cancelled.set()
            self.cancelled += 1


class Call:
    """One request of the client, as its handler sees it."""

    def __init__(self, session: Session, request_id: str | int, method: str, params: Json) -> None:
        self.session = session
        self.request_id = request_id
        self.method = method
        self.params = params
        self.args: Json = params.get("arguments") or {}
        meta = params.get("_meta")
        self.meta: Json = meta if isinstance(meta, dict) else {}
        self.cancelled = threading.Event()

    @property
    def modern(self) -> bool:
        """Whether it carries the envelope of the modern era."""
        return f"{META}protocolVersion" in self.meta

    @property
    def capabilities(self) -> Json:
        """What the client can do: said at the handshake, or in the envelope."""
        if self.modern:
            return self.meta.get(f"{META}clientCapabilities") or {}
        return self.session.capabilities

    def check_envelope(self) -> None:
        """Raises RpcError unless the envelope is complete and of a version that we speak."""
        for key in ("protocolVersion", "clientCapabilities"):
            if META + key not in self.meta:
                raise RpcError(INVALID_PARAMS, f"params._meta must carry {META}{key}")
        version = self.meta[f"{META}protocolVersion"]
        if version not in MODERN_VERSIONS:
            data = {"supported": list(MODERN_VERSIONS), "requested": version}
            raise RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", data)

    def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Report progress, if the client asked for it."""
        token = self.meta.get("progressToken")
        if token is None:
            return
        params: Json = {"progressToken": token, "progress": progress}
        if total is not None:
            params["total"] = total
        if message is not None:
            params["message"] = message
        self.session.notify("notifications/progress", params)

    def log(self, level: str, data: Any, logger: str = "") -> None:
        """Send a log message, if the client wants this level (modern era: for this request)."""
        wanted = self.meta.get(f"{META}logLevel") if self.modern else self.session.log_level
        if wanted not in LEVELS or LEVELS.index(level) < LEVELS.index(wanted):
            return
        params: Json = {"level": level, "data": data}
        if logger:
            params["logger"] = logger
        self.session.notify("notifications/message", params)

    def sleep(self, seconds: float) -> None:
        """Wait; raises Cancelled as soon as the client cancels the call."""
        if self.cancelled.wait(seconds):
            raise Cancelled

    def ask(self, method: str, params: Json, *, key: str = "", anyway: bool = False) -> Json:
        """Have the client do something (sampling, elicitation, roots), in the way of the call's era.

        `key` tells it from other questions of the same kind in this call. Raises as `ask_all`.
        """
        key = key or FEATURES[method]
        return self.ask_all({key: (method, params)}, anyway=anyway)[key]

    def ask_all(self, questions: dict[str, tuple[str, Json]], *, anyway: bool = False) -> dict[str, Json]:
        """Have the client do several things at once; its answers by key.

        Raises:
            ToolError: legacy era, the client did not say that it can (not looked at with `anyway`).
            RpcError: modern era, the client did not say that it can; or it answered with an error.
            InputRequired: modern era, the answers are not there yet. What was answered before is in the state.
        """
        for method, _ in questions.values():
            feature = FEATURES[method]
            if anyway or feature in self.capabilities:
                continue
            if not self.modern:
                raise ToolError(f"The client does not offer {feature}")
            data: Json = {"requiredCapabilities": {feature: {}}}
            raise RpcError(MISSING_CAPABILITY, f"The client does not offer {feature}", data)
        if not self.modern:
            return self.session.request_all(questions, self)
        known: Json = json.loads(self.params.get("requestState") or "{}") | (self.params.get("inputResponses") or {})
        missing = {key: question for key, question in questions.items() if key not in known}
        if missing:
            asked = {key: {"method": method, "params": params} for key, (method, params) in missing.items()}
            raise InputRequired(asked, state=json.dumps(known))
        return {key: known[key] for key in questions}
