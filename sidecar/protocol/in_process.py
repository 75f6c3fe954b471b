"""The launch of the hub's own tools, which stand for a server in workspaces that show some. Pure."""

from __future__ import annotations

from bridge.models import ServerSpec, StdioLaunch


class InProcessLaunch(StdioLaunch):
    """The launch of the hub's own tools in a workspace. The sidecar makes it (workspaces/hub_tools_member.py); no
    snapshot has one. `tools` are the names of the tools that the workspace shows, `servers` the namespaces of its
    servers, running or not."""

    command: str = "yamcp-hub"
    workspace: str
    tools: tuple[str, ...]
    servers: tuple[str, ...] = ()


def is_hubs_own(spec: ServerSpec) -> bool:
    """Whether a server stands for the hub's own tools."""
    return isinstance(spec.launch, InProcessLaunch)
