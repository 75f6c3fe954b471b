"""What can go wrong at the command line, beside what the hub itself answers."""

from __future__ import annotations

from bridge.errors import HubError


class ArgumentsInvalid(HubError):
    """The arguments of a command are not valid."""

    code = "CLI_ARGUMENTS"
    hint = "`hubctl <command> --help` shows the syntax; docs/cli.md has examples."


class HubNotRunning(HubError):
    """No hub runs with this runtime directory."""

    code = "HUB_NOT_RUNNING"
    hint = "Start it: `hubctl run`, or its container. If it runs, give hubctl the same HUB_DATA_DIR or HUB_RUNTIME_DIR."


class HubRunning(HubError):
    """Another hub already uses this runtime directory."""

    code = "HUB_RUNNING"
    hint = "Use that hub (hubctl status) or stop it; another needs its own HUB_DATA_DIR, HUB_PORT, HUB_SIDECAR_PORT."


class HistoryOff(HubError):
    """The history is switched off, so the hub does not record calls, changes and sign-ins."""

    code = "HISTORY_OFF"
    hint = "Remove HUB_HISTORY=off from the environment or the settings file, and restart the hub."


class HistoryUnavailable(HubError):
    """The recorder, which keeps the history, does not answer. Calls go on; their records wait on disk."""

    code = "HISTORY_UNAVAILABLE"
    hint = "The hub restarts it. If it does not come back, see hubctl doctor and recorder.log."


class DirectoryUnusable(HubError):
    """The hub cannot create or write its data directory."""

    code = "DATA_DIR_UNUSABLE"
    hint = "Make it writable for the user that runs the hub, or name another one in HUB_DATA_DIR."


class YamcpDirReadOnly(HubError):
    """The hub can read YAMCP's directory but not write to it, so it cannot add or change servers or workspaces."""

    code = "YAMCP_DIR_READ_ONLY"
    hint = "Give the user that runs the hub write permission (chown, chmod), or mount the directory without `:ro`."


class TooFewFiles(HubError):
    """The system allows fewer open files than the hub needs."""

    code = "FILE_LIMIT_LOW"
    hint = "Raise the hard limit: `ulimit -n 8192` as root, LimitNOFILE of a systemd service, --ulimit of a container."


class NodeMissing(HubError):
    """Node, which the hub's pages need, is not installed or is too old."""

    code = "NODE_MISSING"
    hint = "Install Node 20.19 or newer, and have `node` on the PATH of the shell that starts the hub."


class FrontNotInstalled(HubError):
    """The npm packages that the hub's pages need are not installed, or their versions differ from package.json."""

    code = "FRONT_NOT_INSTALLED"
    hint = "Run `npm ci --omit=dev --ignore-scripts` in the project's directory (images and `make run` include them)."


class HubStarting(HubError):
    """The hub has just started and has not loaded its workspaces yet."""

    code = "HUB_STARTING"
    hint = "Try again in a few seconds. If the error persists, `hubctl doctor` shows why there is no configuration."


class FrontAway(HubError):
    """The front, which serves the hub's pages and API, does not answer."""

    code = "FRONT_AWAY"
    hint = "The hub restarts it. If it does not come back, see front.log in the logs directory."


class ProcessHung(HubError):
    """A process of the hub did not respond for HUB_WATCHDOG seconds: it was stopped, blocked, or in an endless loop."""

    code = "PROCESS_HUNG"
    hint = "Report it if it happens again. With `HUB_WATCHDOG=off` the hub keeps such a process, for a debugger."


class YamcpUiAway(HubError):
    """YAMCP-UI, which the hub runs, does not answer; the console at /hub/ does not need it."""

    code = "YAMCP_UI_AWAY"
    hint = "The hub restarts it. If it does not come back, see yamcp-ui.log in the logs directory."


class NoSuchWorkspace(HubError):
    """The command names a workspace that the hub does not have."""

    code = "NO_SUCH_WORKSPACE"
    hint = "`hubctl workspaces` lists the workspaces. Quote a name that has spaces, or use its slug."


class NoSuchProposal(HubError):
    """A request names a proposal that does not exist, or that is too old to be remembered."""

    code = "NO_SUCH_PROPOSAL"
    hint = "`hubctl approvals` lists the proposals."


class NoSuchServer(HubError):
    """A request or command names a server that the hub does not have."""

    code = "NO_SUCH_SERVER"
    hint = "`hubctl status` lists the servers by key; a server's namespace is not its key."


class NoToken(HubError):
    """A command needs the hub's own token, but there is none, or only its hash is known here."""

    code = "NO_TOKEN"
    hint = (
        "A hub that listens beyond loopback creates one at its start; or run `hubctl token --rotate`, or set HUB_TOKEN."
    )


class ClientFileUnusable(HubError):
    """hubctl cannot read a client's configuration file, or cannot change it without risk to its contents."""

    code = "CLIENT_FILE_UNUSABLE"
    hint = "`hubctl connect CLIENT WORKSPACE --print` shows what to add manually."


class ClientNotConnected(HubError):
    """There is nothing to undo: hubctl did not write this workspace into that client's file."""

    code = "CLIENT_NOT_CONNECTED"
    hint = (
        "Use the same client, workspace, `--file` and `--project` as for `hubctl connect`; undo manual edits yourself."
    )


class NotApplied(HubError):
    """A change was saved, but the sidecar did not apply it before the command's timeout."""

    code = "CLI_NOT_APPLIED"
    hint = "The sidecar will apply it when it can; `hubctl doctor` shows what delays it."


class ReloadFailed(HubError):
    """The new sidecar did not take over; the previous one keeps running."""

    code = "RELOAD_FAILED"
    hint = "No call was lost. See sidecar.log in the logs directory for the cause, correct it, and reload again."


class ReloadUnderWay(HubError):
    """A reload is in progress, or the sidecar that the last reload replaced is still running."""

    code = "RELOAD_UNDER_WAY"
    hint = "Wait until it ends; a replaced sidecar finishes its calls for at most HUB_DRAIN_TIMEOUT."


# --- `hubctl run <workspace>`: the first ends it, the others are answered to its client, as JSON-RPC errors -----------


class HubRefused(HubError):
    """The hub refused this client access to the workspace."""

    code = "HUB_REFUSED"
    hint = "`hubctl status` shows the workspace; the key must be valid for it and not revoked."


class HubLost(HubError):
    """The connection to the hub ended during a request, or there is none: the hub was restarted."""

    code = "HUB_CONNECTION_LOST"
    hint = "The request may have been carried out. hubctl reconnects automatically: check first, then repeat it."


class LineNotJson(HubError):
    """A line on stdin is not JSON."""

    code = "LINE_NOT_JSON"
    hint = "Write one JSON-RPC 2.0 message per line, in UTF-8, without embedded newlines (MCP, Transports, stdio)."


class LineNotMessage(HubError):
    """A line on stdin is JSON, but no JSON-RPC message."""

    code = "LINE_NOT_MESSAGE"
    hint = "Write one JSON-RPC 2.0 request, notification or response per line; batches are not supported."


class PathTooOpen(HubError):
    """Other users can read or change a file or directory of the hub that may contain secrets."""

    code = "PATH_TOO_OPEN"
    hint = "Remove their permissions: `chmod go= FILE`."
