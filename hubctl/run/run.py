"""`hubctl run`: check settings and prerequisites, then become supervisord by exec."""

from __future__ import annotations

import contextlib
import os
import resource
import shlex
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import NoReturn

from pydantic import SecretStr

from bridge import front_settings
from bridge.errors import SettingInvalid
from bridge.private import PRIVATE_DIRECTORY, make_directory, write_file
from bridge.runtime import prepare_runtime_dir
from bridge.settings import Settings, listed
from hubctl.context import Context
from hubctl.errors import DirectoryUnusable, TooFewFiles, YamcpDirReadOnly
from hubctl.run import in_force, lock, problem_logs, yamcp_ui
from hubctl.run.access import check_certificate, prepare_access, welcome
from hubctl.run.client_secret import prepare_client_secret
from hubctl.run.node import FRONT, check_packages, find_node, with_heartbeats
from hubctl.run.ports import check_ports, listen
from hubctl.run.supervise import LISTENER_FD_VARIABLE, LOCK_FD_VARIABLE, TERMINAL_FD_VARIABLE

FEWEST_FILES = 256
"""Minimum number of open files; supervisord.conf has the same number as `minfds`."""
ENOUGH_FILES = 8192
"""Enough open files for 1,000 sessions with several connections each, and a few hundred servers with three pipes each.
"""
SECRETS = ("HUB_TOKEN", "HUB_DATABASE_URL", "HUB_CONFIG_DATABASE", "HUB_OIDC_CLIENT_SECRET")
"""Settings that no process of the hub has in its environment."""
CONFIGURATION = Path(__file__).resolve().parents[2] / "supervisord.conf"


def run(context: Context) -> NoReturn:
    """Run the hub in the foreground; this process becomes its supervisor.

    Raises:
        SettingInvalid, PortTaken: a setting, a token's file, a certificate or a port is unusable.
        NodeMissing, FrontNotInstalled: the prerequisites of the front are missing.
        DirectoryUnusable, RuntimeDirUnsafe: a directory is unusable.
        HubRunning: a hub already runs with this runtime directory.
        TooFewFiles: the system allows fewer open files than the hub needs.
    """
    settings = context.settings
    raise_file_limit()
    node = find_node()
    check_packages()
    logs = prepare_directories(settings)
    check_yamcp_directory(settings)
    check_certificate(settings)
    yamcp_ui.check_yamcp_ui(settings)
    holder = lock.acquire(settings.runtime)
    check_ports(settings)
    listener = None if settings.tls_cert else listen(settings)
    settings, fresh = prepare_access(settings)
    settings = prepare_client_secret(settings)
    hand_over_database_urls(settings)
    context.say(f"yamcp-hub is starting; logs are in {logs}, Ctrl-C stops it.", *welcome(settings, fresh))
    remove_secrets(os.environ)
    in_force.store(settings.runtime, exported(settings))
    os.environ.update(environment(settings, logs, holder, listener) | programs(settings, node, listener))
    os.execv(sys.executable, [sys.executable, "-P", "-m", "hubctl.run.supervise", "-c", str(CONFIGURATION)])  # noqa: S606  # no shell is wanted


def prepare_directories(settings: Settings) -> Path:
    """Create the hub's directories with mode 0700; return the log directory.

    Raises:
        DirectoryUnusable: the data directory cannot be created or is not writable.
        RuntimeDirUnsafe: the runtime directory cannot be created, or others may access it.
    """
    logs = settings.data_dir / "logs"
    try:
        make_directory(logs)
        with contextlib.suppress(PermissionError):  # another user's
            logs.chmod(PRIVATE_DIRECTORY)  # supervisord makes the files in it with the mode that the umask leaves
    except OSError as error:
        raise DirectoryUnusable(f"HUB_DATA_DIR: {error.filename} cannot be made: {error.strerror}") from None
    for directory in (settings.data_dir, logs):
        if not os.access(directory, os.W_OK | os.X_OK):
            raise DirectoryUnusable(f"HUB_DATA_DIR: {directory} cannot be written")
    prepare_runtime_dir(settings.runtime)
    return logs


def raise_file_limit() -> None:
    """Raise the soft limit of open files to `ENOUGH_FILES`, or to the hard limit if that is lower.

    Raises:
        TooFewFiles: the hard limit is below `FEWEST_FILES`.
    """
    soft, hard = (sys.maxsize if n == resource.RLIM_INFINITY else n for n in resource.getrlimit(resource.RLIMIT_NOFILE))
    if hard < FEWEST_FILES:
        raise TooFewFiles(f"At most {hard} files may be open at once; the hub needs {FEWEST_FILES} at least.")
    if soft < (wanted := min(hard, ENOUGH_FILES)):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def check_yamcp_directory(settings: Settings) -> None:
    """Check that YAMCP's directory is a readable directory, or does not exist yet: the adapter creates it.

    Raises:
        SettingInvalid: the path is something else, or is unreadable.
    """
    directory = settings.yamcp_dir
    while not os.path.lexists(directory):
        directory = directory.parent
    if not directory.is_dir():
        raise SettingInvalid(f"HUB_YAMCP_DIR: {directory} is not a directory.")
    needed = os.R_OK | os.X_OK if directory == settings.yamcp_dir else os.W_OK | os.X_OK
    if not os.access(directory, needed):
        what = "read" if directory == settings.yamcp_dir else "written, and YAMCP's directory is not there yet"
        raise SettingInvalid(f"HUB_YAMCP_DIR: {directory} cannot be {what}.")


def check_yamcp_writable(settings: Settings) -> None:
    """Check that files in YAMCP's directory, if it exists, can be replaced; symbolic links are followed.

    Raises:
        YamcpDirReadOnly: they cannot.
    """
    directory = settings.yamcp_dir
    files = (directory / "providers.json", directory / "workspaces.json")
    for place in dict.fromkeys((directory.resolve(), *(file.resolve().parent for file in files))):
        if place.is_dir() and not os.access(place, os.W_OK | os.X_OK):
            raise YamcpDirReadOnly(f"HUB_YAMCP_DIR: {place} cannot be written.")


def environment(settings: Settings, logs: Path, lock_fd: int, listener: int | None = None) -> dict[str, str]:
    """Return the environment of the supervised processes: the settings in force, and where to log.

    `listener`: the descriptor of the public port, if the acceptor listens there and not the front.
    """
    front = front_settings.FrontSettings.of(settings, behind_acceptor=listener is not None)
    return {
        **exported(settings),
        front_settings.VARIABLE: front.value(),
        **({} if listener is None else {LISTENER_FD_VARIABLE: str(listener)}),
        "HUB_SETTINGS_FILE": os.devnull,  # all of it is above; an edit, good or bad, counts at the next start
        LOCK_FD_VARIABLE: str(lock_fd),
        "YAMCP_HUB_PYTHON": sys.executable,
        problem_logs.SIZES_VARIABLE: problem_logs.sizes(logs),
        "YAMCP_HUB_LOGS": str(logs).replace("%", "%%"),
        TERMINAL_FD_VARIABLE: str(terminal()),
    }


def programs(settings: Settings, node: str, listener: int | None = None) -> dict[str, str]:
    """Return the command lines of the acceptor and of the two programs on Node, and whether each is to run."""
    directory = settings.yamcp_ui_dir
    return {
        "YAMCP_HUB_RECORDER": "true" if settings.history else "false",
        "YAMCP_HUB_ACCEPTOR": "false" if listener is None else "true",
        "YAMCP_HUB_ACCEPTOR_COMMAND": shlex.join([*acceptor(settings), "--listener", str(listener)]),
        "YAMCP_HUB_FRONT": shlex.join([*with_heartbeats(node), str(FRONT)]),
        "YAMCP_HUB_UI": "true" if directory else "false",
        "YAMCP_HUB_UI_DIR": str(directory or "/"),
        "YAMCP_HUB_UI_COMMAND": yamcp_ui.command(settings, node, yamcp_ui.data_home(settings)) if directory else "none",
    }


def acceptor(settings: Settings) -> list[str]:
    """Return the command line of the acceptor, without the arguments that say where it listens."""
    words = [sys.executable, "-P", "-m", "acceptor", "--log-level", settings.log_level]
    places = {
        "--sidecar": settings.handover_socket,
        "--front": settings.front_socket,
        "--own": settings.acceptor_socket,
        "--stop-timeout": settings.stop_timeout,
    }
    words += [str(word) for pair in places.items() for word in pair]
    if settings.replica:
        words.append("--replica")
    for network in listed(settings.trusted_proxies):
        words += ["--trusted", network]
    return words


def hand_over_database_urls(settings: Settings) -> None:
    """Write HUB_DATABASE_URL and HUB_CONFIG_DATABASE, which may have passwords, to the files from which the recorder,
    and adapter and sidecar, read them.

    Raises:
        DirectoryUnusable: a file cannot be written.
    """
    hand_over(settings.database_url_file, settings.database_url if settings.history else None)
    hand_over(settings.config_database_file, settings.config_database)


def hand_over(file: Path, secret: SecretStr | None) -> None:
    """Write a secret to a file, or remove a former one. Raises DirectoryUnusable."""
    try:
        file.unlink(missing_ok=True)
        if secret:
            write_file(file, secret.get_secret_value().encode(), sync=False)
    except OSError as error:
        raise DirectoryUnusable(f"HUB_RUNTIME_DIR: {file} cannot be written: {error.strerror}") from None


def remove_secrets(variables: MutableMapping[str, str]) -> None:
    """Remove settings that are secrets, in any spelling, from an environment: files have them."""
    for name in [name for name in variables if name.upper() in SECRETS]:
        del variables[name]


def exported(settings: Settings) -> dict[str, str]:
    """Return the settings as environment variables with absolute paths, without unset ones and without secrets."""
    variables = {}
    for name in type(settings).model_fields:
        value = settings.runtime if name == "runtime_dir" else getattr(settings, name)
        if isinstance(value, Path):
            value = value.absolute()
        if value is not None and not isinstance(value, SecretStr):
            variables[f"HUB_{name.upper()}"] = str(value)
    return variables


def terminal() -> int:
    """Duplicate stdout for the supervised processes, to which supervisord gives pipes instead."""
    try:
        descriptor = os.dup(1)
    except OSError:  # started with stdout closed
        descriptor = os.open(os.devnull, os.O_WRONLY)
    os.set_inheritable(descriptor, True)
    return descriptor
