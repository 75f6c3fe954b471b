"""A tiny MCP server library over stdio: both eras of the protocol, standard library only, 12 MB, up in 50 ms.

The first request decides the era of the connection, as in the SDK: one with the envelope of 2026-07-28 makes it
modern, anything else legacy (the `initialize` handshake, revisions 2024-11-05 to 2025-11-25).
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from typing import BinaryIO

from demo_servers.toolkit.catalogue import (
    Handler,
    Prompt,
    Template,
    contents,
    page,
    problem,
    text,
    tool_result,
)
from demo_servers.toolkit.offer import Offer
from demo_servers.toolkit.session import LEGACY_VERSIONS, LEVELS, META, MODERN_VERSIONS, Call, Session
from demo_servers.toolkit.wire import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    RESOURCE_NOT_FOUND,
    UNSUPPORTED_VERSION,
    Cancelled,
    InputRequired,
    Json,
    Pipe,
    RpcError,
    ToolError,
)

CACHEABLE = {
    "server/discover",
    "tools/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
}


class Server(Offer):
    """What is offered, and the loop that serves it on stdin and stdout to one client."""

    def __init__(
        self, name: str, version: str = "1.0.0", *, instructions: str = "", era: str = "both", page_size: int = 0
    ) -> None:
        super().__init__()
        self.info: Json = {"name": name, "version": version}
        self.instructions = instructions
        self.era = era
        self.page_size = page_size
        self.ttl_ms = 0
        self.session: Session | None = None
        self.called: Callable[[Call], None] = lambda call: None
        """Called after each tool call was answered."""
        self.methods: dict[str, Handler] = {
            "tools/list": self._tools_list,
            "tools/call": self._tools_call,
            "resources/list": self._resources_list,
            "resources/templates/list": self._templates_list,
            "resources/read": self._resources_read,
            "prompts/list": self._prompts_list,
            "prompts/get": self._prompts_get,
            "completion/complete": self._complete,
        }
        self.legacy_methods: dict[str, Handler] = {
            "initialize": self._initialize,
            "ping": lambda call: {},
            "logging/setLevel": self._set_level,
            "resources/subscribe": self._subscribe,
            "resources/unsubscribe": self._unsubscribe,
        }
        self.modern_methods: dict[str, Handler] = {
            "server/discover": self._discover,
            "subscriptions/listen": self._listen,
        }

    # --- notices ----------------------------------------------------------------------------------------------------

    def changed(self, kind: str) -> None:
        """Tell the client that the list of `tools`, `resources` or `prompts` changed."""
        if self.session:
            self.session.changed(f"notifications/{kind}/list_changed")

    def updated(self, uri: str) -> None:
        """Tell the client that a resource changed, if it asked to be told."""
        if self.session:
            self.session.updated(uri)

    # --- the loop ----------------------------------------------------------------------------------------------------

    def run(self, reader: BinaryIO | None = None, writer: BinaryIO | None = None) -> None:
        """Serve until end of input or Ctrl-C. Slow calls still under way then are given up."""
        pipe = Pipe(reader or sys.stdin.buffer, writer or sys.stdout.buffer)
        self.session = session = Session(pipe)
        try:
            for frame in pipe.frames():
                self._dispatch(session, frame)
        except KeyboardInterrupt:
            pass
        finally:
            for call in list(session.calls.values()):
                call.cancelled.set()

    def _dispatch(self, session: Session, frame: Json) -> None:
        method, params = frame.get("method"), frame.get("params")
        if not isinstance(method, str):
            session.resolve(frame)
        elif params is not None and not isinstance(params, dict):
            session.pipe.refuse(INVALID_REQUEST, "params must be an object")
        elif "id" not in frame:
            self._notification(session, method, params or {})
        elif isinstance(frame["id"], (str, int)):
            self._request(Call(session, frame["id"], method, params or {}))
        else:
            session.pipe.refuse(INVALID_REQUEST, "id must be a string or an integer")

    def _notification(self, session: Session, method: str, params: Json) -> None:
        if method == "notifications/initialized":
            session.initialized = True
        elif method == "notifications/cancelled":
            session.cancel(params.get("requestId"))

    def _request(self, call: Call) -> None:
        tool = self.tools.get(str(call.params.get("name"))) if call.method == "tools/call" else None
        call.session.calls[call.request_id] = call
        call.session.requests[call.method] += 1
        if tool and tool.slow:
            threading.Thread(target=self._answer, args=(call,), daemon=True).start()
        else:
            self._answer(call)

    def _answer(self, call: Call) -> None:
        frame: Json = {"jsonrpc": "2.0", "id": call.request_id}
        try:
            result = self._handler(call)(call)
            if result is None:
                return  # a listen stream: it is answered when it ends
            frame["result"] = self._shape(call, result)
        except InputRequired as pause:
            waiting = {"resultType": "input_required", "inputRequests": pause.requests, "requestState": pause.state}
            frame["result"] = self._shape(call, waiting)
        except Cancelled:
            call.cancelled.set()
        except RpcError as error:
            frame["error"] = error.body()
        except Exception:  # a fault of a handler must not end the server
            traceback.print_exc()
            frame["error"] = RpcError(INTERNAL_ERROR, "Internal error").body()
        finally:
            call.session.calls.pop(call.request_id, None)
        if not call.cancelled.is_set():
            call.session.pipe.send(frame)
        if call.method == "tools/call":
            self.called(call)

    def _handler(self, call: Call) -> Handler:
        """The function that serves a request; decides the era on the first one.

        Raises:
            RpcError: the request does not fit the era, or there is no such method.
        """
        session = call.session
        if not session.era:
            enveloped = call.modern and call.method != "initialize"
            session.era = self.era if self.era != "both" else ("modern" if enveloped else "legacy")
        if session.era == "modern":
            if call.method == "initialize":
                data = {"supported": list(MODERN_VERSIONS), "requested": call.params.get("protocolVersion")}
                raise RpcError(UNSUPPORTED_VERSION, "There is no initialize in protocol 2026-07-28", data)
            call.check_envelope()
        elif call.modern and self.era == "both":
            raise RpcError(INVALID_REQUEST, "This connection began with initialize: no 2026-07-28 envelopes on it")
        only = self.modern_methods if session.era == "modern" else self.legacy_methods
        handler = self.methods.get(call.method) or only.get(call.method)
        if handler is None:
            raise RpcError(METHOD_NOT_FOUND, "Method not found", call.method)
        if session.era == "legacy" and not session.version and call.method not in ("initialize", "ping"):
            raise RpcError(INVALID_REQUEST, "The first request must be initialize")
        return handler

    def _shape(self, call: Call, result: Json) -> Json:
        """The result with what the modern era adds to it."""
        if call.session.era != "modern":
            return result
        meta = {**result.get("_meta", {}), f"{META}serverInfo": self.info}
        extra: Json = {"ttlMs": self.ttl_ms, "cacheScope": "private"} if call.method in CACHEABLE else {}
        return {"resultType": "complete", **extra, **result, "_meta": meta}

    # --- handshake ---------------------------------------------------------------------------------------------------

    def _about(self) -> Json:
        about: Json = {"capabilities": self.capabilities()}
        if self.instructions:
            about["instructions"] = self.instructions
        return about

    def _initialize(self, call: Call) -> Json:
        session, wanted = call.session, call.params.get("protocolVersion")
        if not isinstance(wanted, str):
            raise RpcError(INVALID_PARAMS, "initialize needs a protocolVersion")
        session.version = wanted if wanted in LEGACY_VERSIONS else LEGACY_VERSIONS[-1]
        session.capabilities = call.params.get("capabilities") or {}
        session.client = call.params.get("clientInfo") or {}
        return {"protocolVersion": session.version, "serverInfo": self.info, **self._about()}

    def _discover(self, call: Call) -> Json:
        return {"supportedVersions": list(MODERN_VERSIONS), **self._about()}

    def _set_level(self, call: Call) -> Json:
        level = call.params.get("level")
        if level not in LEVELS:
            raise RpcError(INVALID_PARAMS, f"level must be one of {', '.join(LEVELS)}")
        call.session.log_level = level
        return {}

    # --- tools -------------------------------------------------------------------------------------------------------

    def _tools_list(self, call: Call) -> Json:
        tools = [tool.spec for tool in self.tools.values() if not tool.needs or tool.needs in call.capabilities]
        return page("tools", tools, call.params.get("cursor"), self.page_size)

    def _tools_call(self, call: Call) -> Json:
        tool = self.tools.get(str(call.params.get("name")))
        if tool is None:
            raise RpcError(INVALID_PARAMS, f"Unknown tool: {call.params.get('name')}")
        if wrong := problem(tool.spec["inputSchema"], call.args):
            return {"content": [text(wrong)], "isError": True}
        try:
            return tool_result(tool.handler(call))
        except ToolError as error:
            return {"content": [text(str(error))], "isError": True}

    # --- resources ---------------------------------------------------------------------------------------------------

    def _resources_list(self, call: Call) -> Json:
        specs = [resource.spec for resource in self.resources.values()]
        return page("resources", specs, call.params.get("cursor"), self.page_size)

    def _templates_list(self, call: Call) -> Json:
        specs = [template.spec for template in self.templates.values()]
        return page("resourceTemplates", specs, call.params.get("cursor"), self.page_size)

    def _resources_read(self, call: Call) -> Json:
        uri = str(call.params.get("uri"))
        try:
            if resource := self.resources.get(uri):
                return {"contents": [contents(uri, resource.spec["mimeType"], resource.read(uri))]}
            for template in self.templates.values():
                if (values := template.match(uri)) is not None:
                    return {"contents": [contents(uri, template.spec["mimeType"], template.read(uri, values))]}
        except LookupError:
            pass  # the family is ours, but it has no such member
        code = INVALID_PARAMS if call.session.era == "modern" else RESOURCE_NOT_FOUND
        raise RpcError(code, "Resource not found", {"uri": uri})

    def _subscribe(self, call: Call) -> Json:
        call.session.subscriptions.add(str(call.params.get("uri")))
        return {}

    def _unsubscribe(self, call: Call) -> Json:
        call.session.subscriptions.discard(str(call.params.get("uri")))
        return {}

    def _listen(self, call: Call) -> None:
        wanted = call.params.get("notifications")
        if not isinstance(wanted, dict):
            raise RpcError(INVALID_PARAMS, "subscriptions/listen needs the notifications that are wanted")
        offered = self.capabilities()
        kinds = {"toolsListChanged": "tools", "promptsListChanged": "prompts", "resourcesListChanged": "resources"}
        honored: Json = {key: True for key, kind in kinds.items() if wanted.get(key) is True and kind in offered}
        if wanted.get("resourceSubscriptions") and "resources" in offered:
            honored["resourceSubscriptions"] = list(wanted["resourceSubscriptions"])
        meta = {f"{META}subscriptionId": call.request_id}
        call.session.notify("notifications/subscriptions/acknowledged", {"notifications": honored, "_meta": meta})
        call.session.listeners[call.request_id] = honored

    # --- prompts, completions ----------------------------------------------------------------------------------------

    def _prompts_list(self, call: Call) -> Json:
        specs = [prompt.spec for prompt in self.prompts.values()]
        return page("prompts", specs, call.params.get("cursor"), self.page_size)

    def _prompts_get(self, call: Call) -> Json:
        prompt = self.prompts.get(str(call.params.get("name")))
        if prompt is None:
            raise RpcError(INVALID_PARAMS, f"Unknown prompt: {call.params.get('name')}")
        return prompt.result(call.args)

    def _complete(self, call: Call) -> Json:
        ref, argument = call.params.get("ref") or {}, call.params.get("argument") or {}
        found: Prompt | Template | None = (
            self.prompts.get(str(ref.get("name")))
            if ref.get("type") == "ref/prompt"
            else self.templates.get(str(ref.get("uri")))
        )
        if found is None:
            raise RpcError(INVALID_PARAMS, "Nothing of this name takes completions")
        others = (call.params.get("context") or {}).get("arguments") or {}
        typed = str(argument.get("value", ""))
        values = list(found.complete(str(argument.get("name")), typed, others)) if found.complete else []
        return {"completion": {"values": values[:100], "total": len(values), "hasMore": len(values) > 100}}
