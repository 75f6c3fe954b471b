"""Errors about changes of what servers offer."""

from __future__ import annotations

from sidecar.errors import INVALID_PARAMS, SidecarError


class ChangeOutdated(SidecarError):
    """A change that was to be accepted or rejected is not what the server offers now."""

    code = "CHANGE_OUTDATED"
    hint = "Look at the change again: `hubctl trust list`."


class ChangeUnknown(SidecarError):
    """A change to be accepted or rejected does not exist: the server offers nothing that differs from its pins."""

    code = "CHANGE_UNKNOWN"
    hint = "`hubctl trust list` shows what differs; changes of servers with `changes` set to `allow` are not looked at."


class ToolPending(SidecarError):
    """A client used a tool or prompt that its server has added or changed, and that nobody has accepted yet."""

    code = "TOOL_PENDING"
    rpc_code = INVALID_PARAMS
    hint = "Have an administrator look at the change and accept it: `hubctl trust list`, `hubctl trust accept`."
