"""The errors of the sidecar, each with a stable code, and the JSON-RPC error codes that MCP clients get."""

from __future__ import annotations

from typing import Any, ClassVar

from bridge.errors import HubError

INVALID_PARAMS = -32602
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
PARSE_ERROR = -32700
HEADER_MISMATCH = -32020  # MCP 2026-07-28
UNSUPPORTED_VERSION = -32022  # MCP 2026-07-28
REQUEST_CANCELLED = -32800  # the code with which the SDKs answer a cancelled POST
INTERNAL_ERROR = -32603
URL_ELICITATION_REQUIRED = -32042
"""JSON-RPC error code of MCP 2025-11-25 (Elicitation): a URL must be opened before the call can succeed."""
MISSING_CAPABILITY = -32021  # MCP 2026-07-28: the client did not declare what the request needs
RESOURCE_NOT_FOUND = -32002  # legacy era; eras.error_to_client makes it INVALID_PARAMS for modern clients
SERVER_ERROR = -32010  # in the implementation-defined range of JSON-RPC, not used by the SDKs
LIMIT_REACHED = -32011  # the same; the request exceeds a limit of its principal (sidecar/quotas/errors.py)


class SidecarError(HubError):
    """An error that may be sent to an MCP client. Its text contains nothing internal."""

    rpc_code: ClassVar[int] = SERVER_ERROR
    status: ClassVar[int] = 400
    """The HTTP status if the error is the response to an HTTP request."""
    retry_after: int = 0
    """Seconds for the header Retry-After (RFC 9110, 10.2.3); 0 for no header."""

    def rpc(self, correlation: str = "") -> dict[str, Any]:
        """The `error` member of a JSON-RPC response (JSON-RPC 2.0, section 5.1); `correlation` as in `CallContext`."""
        data: dict[str, Any] = {"code": self.code, "hint": self.advice, "retryable": self.retryable, **self.data}
        data |= {"correlation": correlation} if correlation else {}
        return {"code": self.rpc_code, "message": f"{self.message} {self.advice}".strip(), "data": data}


# --- errors of servers, which become the reason in the status ------------------------------------------------------


class CommandMissing(SidecarError):
    """The program of a stdio server does not exist or is not executable."""

    code = "SERVER_COMMAND_MISSING"
    hint = "Install it, or correct `command` (its full path helps when the hub's PATH differs from your shell's)."


class DirectoryMissing(SidecarError):
    """The working directory of a stdio server does not exist."""

    code = "SERVER_CWD_MISSING"
    hint = "Create the directory, or correct `cwd`."


class ProcessRefused(SidecarError):
    """The operating system refused to start the process of a stdio server, although the program exists."""

    code = "SERVER_PROCESS_REFUSED"
    hint = "The reason comes from the system: usually a limit on processes, open files, memory or argument size."


class ServerExited(SidecarError):
    """The process of a stdio server ended."""

    code = "SERVER_EXITED"
    hint = "Its last lines on stderr usually have the cause; run the same command in a shell to see all output."


class StillStarting(SidecarError):
    """A server has been starting for more than 2 s, and its start timeout is not over."""

    code = "SERVER_STILL_STARTING"
    hint = "A first npx or uvx run downloads packages. If it hangs, see its last lines on stderr."


class StartTimeout(SidecarError):
    """A server did not finish the handshake within its start timeout."""

    code = "SERVER_START_TIMEOUT"
    hint = "If it starts slowly (a first npx or uvx run downloads packages), raise `start_timeout` in hub.json."


class HandshakeFailed(SidecarError):
    """A server answered the MCP handshake with an error, or with something that is not MCP."""

    code = "SERVER_HANDSHAKE"
    hint = "Check that the command or URL is an MCP server and that its credentials are correct."


class ListFailed(SidecarError):
    """A connected server answers the request for one of its lists with an error, or without a list."""

    code = "SERVER_LIST_FAILED"
    hint = "The hub serves the rest of the server and requests the list again; look for the cause in the server's log."


class ListLate(SidecarError):
    """A connected server does not answer the request for one of its lists in time."""

    code = "SERVER_LIST_TIMEOUT"
    hint = (
        "The hub serves the rest of the server and requests the list again; if it is only slow, raise `start_timeout`."
    )


class ItemLeftOut(SidecarError):
    """A server lists an item that would make clients reject the whole list, so the hub leaves the item out."""

    code = "SERVER_ITEM_LEFT_OUT"
    hint = "Report it to the server's authors; docs/transparency.md describes what clients accept."


class Unreachable(SidecarError):
    """The hub cannot connect to a remote server."""

    code = "SERVER_UNREACHABLE"
    hint = "Check the URL, whether the server runs, and the network."


class Refused(SidecarError):
    """A remote server answered with an HTTP error."""

    challenge = ""
    """The header WWW-Authenticate of the answer, which no client is sent."""
    code = "SERVER_REFUSED"
    hint = "Check the URL and the credentials in `headers`."


class ConnectionLost(SidecarError):
    """The connection to a server ended while requests were in progress, or before they were sent."""

    sent = True
    """Whether the server may have carried out the request; if not, it can be sent again on another connection."""
    untaken: frozenset[object] = frozenset()
    """The ids of the pending requests that the server certainly has not carried out."""
    code = "SERVER_CONNECTION_LOST"
    hint = "The hub is reconnecting; try again shortly, and see `hubctl status` for the reason."

    @property
    def retryable(self) -> bool:
        return not self.sent


class AnswerTooLarge(SidecarError):
    """A remote server sent a message that is larger than the hub's limit; the hub did not read the rest of it."""

    code = "SERVER_ANSWER_TOO_LARGE"
    hint = "Request less at a time: fewer items, a filter, one page; or raise HUB_MAX_MESSAGE_BYTES."


class OutputTooLarge(SidecarError):
    """A stdio server wrote a message that is larger than the hub's limit."""

    code = "SERVER_OUTPUT_TOO_LARGE"
    hint = (
        "Request less at a time; if the server writes anything but MCP messages to stdout, correct that; "
        "or raise HUB_MAX_LINE_BYTES."
    )


class LargeAnswerFailed(SidecarError):
    """The process that parses large answers ended or timed out while it parsed this one."""

    code = "LARGE_ANSWER_FAILED"
    hint = "Try again, or request less at a time. The request may have been carried out."


class AnswerInvalid(SidecarError):
    """A server's answer is not a JSON-RPC response, or its result is not valid for the method."""

    code = "SERVER_ANSWER_INVALID"
    hint = "Update the server, or report this fault to its authors. The request may have been carried out."


class VariableMissing(SidecarError):
    """A server's definition refers to a `${VAR}` that neither variables.json nor the hub's environment has."""

    code = "SERVER_VARIABLE_MISSING"
    hint = "Set it (`hubctl catalog variables set NAME`): the server then starts. Or give a default: ${VAR:-default}."


class SpawnerLost(SidecarError):
    """The process that starts stdio servers died. The hub restarts it and the servers."""

    code = "SPAWNER_LOST"
    hint = "No action is needed. If it happens again, see the log."


# --- serving a client -----------------------------------------------------------------------------------------------


class ToolUnknown(SidecarError):
    """A client called a tool that its workspace does not have (any more); or a view (MCP Apps) called one by a name
    that several servers have, which the message names."""

    code = "TOOL_UNKNOWN"
    rpc_code = INVALID_PARAMS
    hint = "List the tools again: the workspace was edited, or the name is wrong."


class PromptUnknown(SidecarError):
    """A client asked for a prompt that its workspace does not have (any more)."""

    code = "PROMPT_UNKNOWN"
    rpc_code = INVALID_PARAMS
    hint = "List the prompts again: the workspace was edited, or the name is wrong."


class ResourceUnknown(SidecarError):
    """A client asked for a resource that no server of its workspace has (any more)."""

    code = "RESOURCE_UNKNOWN"
    rpc_code = RESOURCE_NOT_FOUND
    hint = "List the resources again: the workspace was edited, or the URI is wrong."


class TaskUnknown(SidecarError):
    """The client has no such task: it never existed, it expired, or it belongs to another client."""

    code = "TASK_UNKNOWN"
    rpc_code = INVALID_PARAMS
    hint = "A task belongs to the client that started it; it ends when it expires or its session or server ends."


class ServerUnavailable(SidecarError):
    """A server whose tools are listed is not ready: it crashed or cannot be reached, and the hub is retrying."""

    code = "SERVER_UNAVAILABLE"
    hint = "`data.retry_in` is the time until the next attempt, in seconds; `hubctl status` shows state and reason."


class CallTimeout(SidecarError):
    """A server did not answer a request in time, or reported no progress for too long; the hub cancelled it."""

    sent = True
    """Whether the server may have got the request; it has not if the request waited for its turn all the time."""
    code = "CALL_TIMEOUT"
    hint = "If the server is only slow, raise `call_timeout` or `idle_timeout` of the server or tool in hub.json."

    @property
    def retryable(self) -> bool:
        return not self.sent


class TooManyInstances(SidecarError):
    """A server has reached its limit of instances (`per_client`, or per key), or one key its share of them."""

    code = "SERVER_INSTANCES"
    hint = "Close other sessions, or raise `max_instances` of the server in hub.json."


class WorkspaceOff(SidecarError):
    """A client uses a workspace that was switched off."""

    code = "WORKSPACE_OFF"
    hint = "Switch it on in the hub's pages, or with: hubctl enable NAME."


class NoServerOn(SidecarError):
    """A workspace has no server that is usable and switched on."""

    code = "WORKSPACE_WITHOUT_SERVERS"
    hint = "Add a server to the workspace, or switch one of its servers on."


class WorkspaceGone(SidecarError):
    """A client uses a workspace that was removed."""

    code = "WORKSPACE_GONE"
    hint = "Connect to another workspace: hubctl workspaces lists them."


class WorkspaceUnknown(SidecarError):
    """No workspace has the name in the URL."""

    code = "WORKSPACE_UNKNOWN"
    hint = "hubctl workspaces lists the workspaces and their URLs."


class SubjectUnknown(SidecarError):
    """A question about permissions names a key or user that does not exist."""

    code = "SUBJECT_UNKNOWN"
    hint = (
        "Give the name of a key (hubctl keys list), a user's id or e-mail address, or a group as `group:<name>`; users "
        "are known after they have signed in."
    )


class SessionUnknown(SidecarError):
    """A message names a session that has ended or never existed."""

    code = "SESSION_UNKNOWN"
    status = 404
    rpc_code = INVALID_REQUEST
    hint = "Connect again: the session ended, or the hub was restarted."


class HubStopping(SidecarError):
    """A client connects while the hub is being stopped."""

    code = "HUB_STOPPING"
    status = 503
    retry_after = 5
    hint = "If the hub is restarting, connect again in a few seconds."


class SuccessionFailed(SidecarError):
    """A new sidecar did not become ready to take over; the previous one keeps running."""

    code = "SUCCESSION_FAILED"
    hint = "See sidecar.log for the cause. After a major upgrade, restart the hub instead."


class HubStarting(SidecarError):
    """The hub has just started and has not loaded its workspaces yet."""

    code = "HUB_STARTING"
    status = 503
    retry_after = 2
    hint = "Try again in a few seconds. If the error persists, `hubctl doctor` shows why there is no configuration."


class TooManySessions(SidecarError):
    """The limit for sessions and listeners, for those of one key or user, or for the workspaces of keys and users is
    reached."""

    code = "SESSIONS_LIMIT"
    status = 503
    retry_after = 5
    hint = "Close some sessions, or raise HUB_MAX_SESSIONS."


class MessageInvalid(SidecarError):
    """A client sent something that is not a JSON-RPC message, or not a valid request."""

    answers: int | str | None = None
    """The id in the message, if it is a malformed response to a server's request."""
    code = "MESSAGE_INVALID"
    rpc_code = INVALID_REQUEST
    hint = "Send one JSON-RPC 2.0 request, notification or response as the body."


class ParamsInvalid(SidecarError):
    """A client's request lacks a parameter that it must have, or has one of the wrong type."""

    code = "PARAMS_INVALID"
    rpc_code = INVALID_PARAMS
    hint = "The MCP specification lists the parameters of each method."


class ArgumentHidden(SidecarError):
    """A client sent an argument whose value the curation of the workspace fixes; the server was not asked."""

    code = "ARGUMENT_HIDDEN"
    rpc_code = INVALID_PARAMS
    hint = "List the tools again, and call the tool with the arguments of its input schema only."


class MethodUnknown(SidecarError):
    """A client asks for a method that the hub does not have, or not in the client's era."""

    code = "METHOD_UNKNOWN"
    rpc_code = METHOD_NOT_FOUND
    hint = "The MCP specification lists the methods of each revision."


class ServerUnknown(SidecarError):
    """A request over the bridge names a server that the sidecar does not have."""

    code = "SERVER_UNKNOWN"
    hint = "hubctl status lists the servers."
