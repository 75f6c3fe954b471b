"""The lines that `hubctl watch` prints: the state of the hub, and the differences between two statuses. Pure."""

from __future__ import annotations

from bridge.models import Desired, Issue, ServerStatus, Status, WorkspaceStatus
from hubctl.render import Paint, by_key, clean, count, error_line

SAMPLE = "demo"
"""The name of the workspace that the adapter creates on first start, and the names of its servers."""
SAMPLE_SERVERS = {"notes", "clock"}
_SEVERITIES = {"error": "31", "warning": "33", "info": "2"}


def first_lines(status: Status, desired: Desired | None, pages: str, paint: Paint, program: str) -> list[str]:
    """Return the lines for the state at start: the pages' address, workspaces, servers that are not ready, issues, next
    step.

    `pages`: the address, or the error that says why the pages are away. `program`: how this user's shell calls hubctl.
    """
    lines = [paint.bold("yamcp-hub is ready." if status.settled else "yamcp-hub is running; some servers still start.")]
    lines.append(f"  {pages}")
    for workspace in status.workspaces:
        lines += [f"  {line}" for line in workspace_lines(workspace, paint)]
    if not status.workspaces:
        lines.append("  There is no workspace yet.")
    lines += [f"  {server_line(server, paint)}" for server in status.servers if server.state in _NOTABLE]
    if desired is None:
        lines.append(paint.warn("  The adapter does not answer: edits take effect when it is back (hubctl doctor)."))
    lines += [f"  {issue_line(issue, paint)}" for issue in (desired.issues if desired else ())]
    return [*lines, f"  Next: {next_step(status, desired, program)}"]


def next_step(status: Status, desired: Desired | None, program: str) -> str:
    """Return what the user should do next: resolve an issue, add servers to an empty hub, or connect a client."""
    failing = any(server.state in ("failed", "backoff") for server in status.servers)
    if failing or desired is None or any(issue.severity == "error" for issue in desired.issues):
        return f"`{program} doctor` says what to do about it."
    if not status.workspaces:
        return (
            "import another client's configuration or add a server on that page,"
            f" or with `{program} add NAME --workspace WORKSPACE -- COMMAND`."
        )
    if [(workspace.name, set(workspace.servers)) for workspace in status.workspaces] == [(SAMPLE, SAMPLE_SERVERS)]:
        return (
            f"`{program} call {SAMPLE} clock_now` tries a tool, `{program} connect CLIENT {SAMPLE}` connects a client;"
            " add servers of your own on that page."
        )
    return f"`{program} connect CLIENT WORKSPACE` connects a client; `{program} connect --help` lists the clients."


_NOTABLE = ("failed", "backoff", "degraded", "starting")


def workspace_lines(workspace: WorkspaceStatus, paint: Paint) -> list[str]:
    """Format a workspace with its state and URLs on three lines; one that is off on one line."""
    title = f"{paint.bold(clean(workspace.name))}: {paint.state(workspace.state)}"
    if workspace.state == "off":
        return [f"{title}; switch it on with: hubctl enable {workspace.slug}"]
    ready = f"{workspace.ready} of {count(len(workspace.servers), 'server')} ready, {count(workspace.tools, 'tool')}"
    return [f"{title}, {ready}", f"  SSE              {workspace.sse_url}", f"  Streamable HTTP  {workspace.http_url}"]


def server_line(server: ServerStatus, paint: Paint) -> str:
    """Format a server's state with the reason and the most telling line of its stderr, if there are any."""
    line = f"server {clean(server.key)}: {paint.state(server.state)}"
    if server.state in ("ready", "sleeping"):
        return f"{line}, {count(server.tools, 'tool')}"
    if server.state == "degraded":
        more = f" ({len(server.troubles) - 1} more)" if len(server.troubles) > 1 else ""
        return f"{line}, {count(server.tools, 'tool')}, {error_line(server.troubles[0])}{more}"
    if server.reason and server.state != "stopped":
        line += f", {error_line(server.reason)}"
        if server.stderr_line:
            line += paint.dim(f" On stderr: {clean(server.stderr_line)}")
    return line


def issue_line(issue: Issue, paint: Paint) -> str:
    """Format an issue of the configuration on one line."""
    severity = paint(issue.severity, _SEVERITIES[issue.severity])
    where = f"{issue.file}: " if issue.file else ""
    return f"{severity} {clean(f'{where}{issue.message} {issue.hint}'.strip())}"


def changes(before: Status, after: Status, paint: Paint) -> list[str]:
    """Return one line for each difference between two statuses that matters to a user."""
    lines = []
    if before.session != after.session:
        lines.append(paint.warn("the sidecar was restarted; clients have to connect again"))
    known = by_key(before)
    for server in after.servers:
        if _differs(known.pop(server.key, None), server):
            lines.append(server_line(server, paint))
    lines += [f"server {clean(key)}: {paint.dim('removed')}" for key in known]
    return lines + _workspace_changes(before, after, paint)


def remembered(before: Status, after: Status) -> Status:
    """Return the status to compare the next one with: servers that start keep their state from before the start."""
    servers = by_key(before)
    workspaces = {workspace.name: workspace for workspace in before.workspaces}

    def server(current: ServerStatus) -> ServerStatus:
        return servers.get(current.key, current) if current.state == "starting" else current

    def workspace(current: WorkspaceStatus) -> WorkspaceStatus:
        return workspaces.get(current.name, current) if current.state == "starting" else current

    kept = {"servers": tuple(map(server, after.servers)), "workspaces": tuple(map(workspace, after.workspaces))}
    return after.model_copy(update=kept)


def _differs(before: ServerStatus | None, after: ServerStatus) -> bool:
    """Return whether a server's change is worth a line. Starts, and the single attempts of a server that is down, are
    not.
    """
    if after.state == "starting":
        return False
    if before is None:
        return after.state != "stopped"
    if before.state != after.state and not {before.state, after.state} <= {"backoff", "failed"}:
        return True
    if before.troubles != after.troubles:
        return True
    return after.reason is not None and (before.reason is None or before.reason.code != after.reason.code)


def _workspace_changes(before: Status, after: Status, paint: Paint) -> list[str]:
    lines = []
    known = {workspace.name: workspace for workspace in before.workspaces}
    for workspace in after.workspaces:
        old = known.pop(workspace.name, None)
        state, title = workspace.state, f"workspace {clean(workspace.name)}"
        if old is None:
            lines += [f"{title}: added, {paint.state(state)}, {workspace.sse_url} and {workspace.http_url}"]
        elif state != "starting" and (old.state, old.tools) != (state, workspace.tools):
            lines.append(f"{title}: {paint.state(state)}, {count(workspace.tools, 'tool')}")
    return lines + [f"workspace {clean(name)}: {paint.dim('removed')}" for name in known]
