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
    hint = "Start it with `make run`; if it runs elsewhere, give hubctl the same HUB_DATA_DIR or HUB_RUNTIME_DIR."


class HubRunning(HubError):
    """A hub already runs with this runtime directory; a second one is refused."""

    code = "HUB_RUNNING"
    hint = "Use that one (hubctl status) or stop it; a second hub needs its own HUB_DATA_DIR and HUB_SIDECAR_PORT."


class DirectoryUnusable(HubError):
    """The hub's data directory cannot be made or written."""

    code = "DATA_DIR_UNUSABLE"
    hint = "Make it writable for the user that runs the hub, or name another one in HUB_DATA_DIR."


class TooFewFiles(HubError):
    """The system allows fewer open files than the hub needs."""

    code = "FILE_LIMIT_LOW"
    hint = "Raise the hard limit: `ulimit -n 8192` as root, LimitNOFILE of a systemd service, --ulimit of a container."


class NoSuchWorkspace(HubError):
    """The command names a workspace that the hub does not have."""

    code = "NO_SUCH_WORKSPACE"
    hint = "`hubctl workspaces` lists them; a name with spaces has to be quoted, or use its slug."


class NotApplied(HubError):
    """A change was accepted and saved, but the sidecar has not carried it out in the time that was waited for."""

    code = "CLI_NOT_APPLIED"
    hint = "It will be as soon as the sidecar can: `hubctl doctor` shows what holds it up."
