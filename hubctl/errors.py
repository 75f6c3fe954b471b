"""What can go wrong at the command line, beside what the hub itself answers."""

from __future__ import annotations

from bridge.errors import HubError


class ArgumentsInvalid(HubError):
    """The arguments of a command cannot be used."""

    code = "CLI_ARGUMENTS"
    hint = "`hubctl <command> --help` shows its form; docs/cli.md has examples."


class HubNotRunning(HubError):
    """No hub runs with this runtime directory."""

    code = "HUB_NOT_RUNNING"
    hint = "Start it: `hubctl run`, or its container. If it runs, give hubctl the same HUB_DATA_DIR or HUB_RUNTIME_DIR."


class HubRunning(HubError):
    """A hub already runs with this runtime directory; a second one is refused."""

    code = "HUB_RUNNING"
    hint = "Use that one (hubctl status) or stop it; another needs its own HUB_DATA_DIR, HUB_PORT, HUB_SIDECAR_PORT."


class HistoryOff(HubError):
    """The history is switched off, so that nothing of calls, changes and sign-ins is kept."""

    code = "HISTORY_OFF"
    hint = "Remove HUB_HISTORY=off from the environment or the settings file, and restart the hub."


class HistoryUnavailable(HubError):
    """The recorder, which keeps the history, does not answer. Calls go on; their records wait on disk."""

    code = "HISTORY_UNAVAILABLE"
    hint = "It is started again by itself; if it stays away, hubctl doctor and recorder.log tell why."


class DirectoryUnusable(HubError):
    """The hub's data directory cannot be made or written."""

    code = "DATA_DIR_UNUSABLE"
    hint = "Make it writable for the user that runs the hub, or name another one in HUB_DATA_DIR."


class YamcpDirReadOnly(HubError):
    """The hub may read YAMCP's directory and not write there: no server or workspace can be added or changed."""

    code = "YAMCP_DIR_READ_ONLY"
    hint = "Give the user that runs the hub the right to write there (chown, chmod), or mount it without `:ro`."


class TooFewFiles(HubError):
    """The system allows fewer open files than the hub needs."""

    code = "FILE_LIMIT_LOW"
    hint = "Raise the hard limit: `ulimit -n 8192` as root, LimitNOFILE of a systemd service, --ulimit of a container."


class NodeMissing(HubError):
    """There is no Node to run the hub's pages with, or it is too old."""

    code = "NODE_MISSING"
    hint = "Install Node 20.19 or newer, and have `node` on the PATH of the shell that starts the hub."


class FrontNotInstalled(HubError):
    """The npm packages that the hub's pages need are not installed, or are not those that package.json names."""

    code = "FRONT_NOT_INSTALLED"
    hint = "In the project's directory: npm ci --omit=dev --ignore-scripts (an image or `make run` has them)."


class HubStarting(HubError):
    """The hub has just started: the sidecar has no configuration yet."""

    code = "HUB_STARTING"
    hint = "It comes from the adapter, or from the copy in HUB_DATA_DIR. If it stays so, adapter.log says why."


class FrontAway(HubError):
    """The front, which serves the hub's pages and endpoints, does not answer."""

    code = "FRONT_AWAY"
    hint = "It is started again by itself; if it stays away, front.log in the logs directory says why."


class ProcessHung(HubError):
    """A process of the hub did nothing for HUB_WATCHDOG seconds: it was stopped, blocked, or in an endless loop."""

    code = "PROCESS_HUNG"
    hint = "Nothing to do: it is started again. If it repeats, report it; HUB_WATCHDOG=off leaves it for a debugger."


class YamcpUiAway(HubError):
    """YAMCP-UI, which the hub runs, does not answer; the console at /hub/ does not need it."""

    code = "YAMCP_UI_AWAY"
    hint = "It is started again by itself; if it stays away, yamcp-ui.log in the logs directory says why."


class NoSuchWorkspace(HubError):
    """The command names a workspace that the hub does not have."""

    code = "NO_SUCH_WORKSPACE"
    hint = "`hubctl workspaces` lists them; a name with spaces has to be quoted, or use its slug."


class NoSuchServer(HubError):
    """The command names a server that the hub does not have."""

    code = "NO_SUCH_SERVER"
    hint = "`hubctl status` lists the servers by key; the namespace is not the key."


class NoToken(HubError):
    """The hub's own token is asked for, and there is none, or only its hash is known here."""

    code = "NO_TOKEN"
    hint = "It is made when a hub starts that listens beyond loopback, or by `hubctl token --rotate`; or set HUB_TOKEN."


class ClientFileUnusable(HubError):
    """The configuration file of a client cannot be read, or not be changed without a risk for what is in it."""

    code = "CLIENT_FILE_UNUSABLE"
    hint = "Nothing was written. `hubctl connect CLIENT WORKSPACE --print` shows what to add by hand."


class ClientNotConnected(HubError):
    """There is nothing to undo: hubctl has not written this workspace into that client's file."""

    code = "CLIENT_NOT_CONNECTED"
    hint = "Name client, workspace and --file or --project as for `hubctl connect`; edits by hand are undone by hand."


class NotApplied(HubError):
    """A change was accepted and saved, but the sidecar has not carried it out in the time that was waited for."""

    code = "CLI_NOT_APPLIED"
    hint = "It will be as soon as the sidecar can: `hubctl doctor` shows what holds it up."


class ReloadFailed(HubError):
    """The new sidecar has not taken over; the one that ran before goes on."""

    code = "RELOAD_FAILED"
    hint = "No call was lost. sidecar.log in the logs directory says what the new one did; mend it, and reload again."


class ReloadUnderWay(HubError):
    """A reload is in progress, or the sidecar that the last one replaced has not ended yet."""

    code = "RELOAD_UNDER_WAY"
    hint = "Wait until it is over; a sidecar that was replaced finishes its calls for at most HUB_DRAIN_TIMEOUT."


# --- `hubctl run <workspace>`: the first ends it, the others are answered to its client, as JSON-RPC errors -----------


class HubRefused(HubError):
    """The hub answered, and does not let this client into the workspace."""

    code = "HUB_REFUSED"
    hint = "`hubctl status` shows the workspace; a key has to be for it, and not revoked."


class HubLost(HubError):
    """The connection to the hub ended while a request was under way, or there is none: the hub was restarted."""

    code = "HUB_CONNECTION_LOST"
    hint = "It may have been carried out or not. hubctl reconnects by itself: look, and ask again."


class LineNotJson(HubError):
    """A line on stdin is not JSON."""

    code = "LINE_NOT_JSON"
    hint = "Write one JSON-RPC 2.0 message a line, in UTF-8, without line breaks inside (MCP, Transports, stdio)."


class LineNotMessage(HubError):
    """A line on stdin is JSON, but no JSON-RPC message."""

    code = "LINE_NOT_MESSAGE"
    hint = "Write one JSON-RPC 2.0 request, notification or response a line; batches are not taken."


class PathTooOpen(HubError):
    """Others than the hub's user may read or change a file or directory of the hub that may hold secrets."""

    code = "PATH_TOO_OPEN"
    hint = "Take their rights away: `chmod go= FILE`."
