"""How `hubctl run` runs YAMCP-UI: unmodified, in a minimal environment, with HUB_YAMCP_DIR as its data directory."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from bridge.errors import SettingInvalid
from bridge.private import make_directory
from bridge.settings import Settings
from hubctl.errors import DirectoryUnusable
from hubctl.run import heartbeats
from hubctl.run.node import with_heartbeats

BUILT_FILES = ("server.mjs", "dist/index.html")
"""Files that a built YAMCP-UI has."""
BUILD = (
    "Build it in that directory: npm ci --omit=peer && npm run build. Without HUB_YAMCP_UI_DIR there is the console."
)
KEPT_VARIABLES = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_STATE_HOME")
"""Variables that it gets from the hub's environment; none may contain a secret."""


REMOVE_STALE_SOCKET = 'rm -f -- "$PORT"; exec "$0" "$@"'
"""Removes a stale socket that a killed YAMCP-UI left, on which the next one could not listen."""


def check_yamcp_ui(settings: Settings) -> None:
    """Check that HUB_YAMCP_UI_DIR, if set, contains a built YAMCP-UI.

    Raises:
        SettingInvalid: it does not exist, or is not built.
    """
    directory = settings.yamcp_ui_dir
    if directory is None:
        return
    if not directory.is_dir():
        raise SettingInvalid(f"HUB_YAMCP_UI_DIR: {directory} is not a directory.", hint=BUILD)
    if missing := [name for name in BUILT_FILES if not (directory / name).is_file()]:
        what = f"{directory} is not a built YAMCP-UI: it has no {' and no '.join(missing)}"
        raise SettingInvalid(f"HUB_YAMCP_UI_DIR: {what}.", hint=BUILD)
    check_runtime(settings.runtime)


def check_runtime(directory: Path) -> None:
    """Check that the path of YAMCP-UI's socket can stand in a Host header, where YAMCP-UI expects its port.

    Raises:
        SettingInvalid: a header cannot contain the path.
    """
    text = str(directory)
    if not (text.isprintable() and text.encode("latin-1", "replace").decode("latin-1") == text):
        what = f"{directory} has characters that HTTP cannot carry, and YAMCP-UI is asked at a socket in it"
        raise SettingInvalid(f"HUB_RUNTIME_DIR: {what}.", hint="Set HUB_RUNTIME_DIR to a path of ASCII characters.")


def data_home(settings: Settings) -> Path:
    """Return a directory in which `yamcp-nodejs` is HUB_YAMCP_DIR: YAMCP-UI takes no other setting for its data.

    Raises:
        DirectoryUnusable: it, or HUB_YAMCP_DIR, cannot be created.
    """
    home = settings.runtime / "yamcp-ui"
    link, new = home / "yamcp-nodejs", home / "yamcp-nodejs.new"
    try:
        make_directory(settings.yamcp_dir)  # it would not make it through a link
        make_directory(home)
        new.unlink(missing_ok=True)
        new.symlink_to(settings.yamcp_dir)
        new.replace(link)
    except OSError as error:
        raise DirectoryUnusable(f"{error.filename} cannot be made: {error.strerror}") from None
    return home


def command(settings: Settings, node: str, home: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Return the command line that runs YAMCP-UI under supervisord, with only the variables in `KEPT_VARIABLES`.

    YAMCP-UI listens on a Unix socket, since it checks neither Host nor Origin of most requests, and pages of other
    sites could reach a TCP port. A PORT that is not a number is the path of a socket.
    """
    variables = {name: environment[name] for name in KEPT_VARIABLES if name in environment} | {
        "PORT": str(settings.yamcp_ui_socket),
        "XDG_DATA_HOME": str(home),
    }
    words = (f"{name}={value}" for name, value in variables.items())
    beating = [f"{heartbeats.VARIABLE}="]  # supervisord adds the descriptor
    return shlex.join(
        ["env", "-i", *words, *beating, "sh", "-c", REMOVE_STALE_SOCKET, *with_heartbeats(node), "server.mjs"]
    )
