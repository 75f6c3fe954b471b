"""How YAMCP-UI is run: unmodified, in a small environment of its own, with HUB_YAMCP_DIR as its data."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from bridge.errors import SettingInvalid
from bridge.private import make_directory
from bridge.settings import Settings
from hubctl.errors import DirectoryUnusable

NEEDED = ("server.mjs", "dist/index.html")
"""What a built one has."""
BUILD = (
    "Build it in that directory: npm ci --omit=peer && npm run build. Without HUB_YAMCP_UI_DIR there is the console."
)
KEPT = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_STATE_HOME")
"""Variables that it gets from the hub's environment; none may hold a secret."""


FRESH = 'rm -f -- "$PORT"; exec "$0" "$@"'
"""Removes the socket that one which was killed left: the next could not listen on it."""


def check_yamcp_ui(settings: Settings) -> None:
    """See that HUB_YAMCP_UI_DIR, where it is set, is a YAMCP-UI that can be run.

    Raises:
        SettingInvalid: it is not there, or not built.
    """
    directory = settings.yamcp_ui_dir
    if directory is None:
        return
    if not directory.is_dir():
        raise SettingInvalid(f"HUB_YAMCP_UI_DIR: {directory} is not a directory.", hint=BUILD)
    if missing := [name for name in NEEDED if not (directory / name).is_file()]:
        what = f"{directory} is not a built YAMCP-UI: it has no {' and no '.join(missing)}"
        raise SettingInvalid(f"HUB_YAMCP_UI_DIR: {what}.", hint=BUILD)
    check_runtime(settings.runtime)


def check_runtime(directory: Path) -> None:
    """See that YAMCP-UI can be asked at a socket in that directory: it wants its path as the port in Host.

    Raises:
        SettingInvalid: a header cannot carry the path.
    """
    text = str(directory)
    if not (text.isprintable() and text.encode("latin-1", "replace").decode("latin-1") == text):
        what = f"{directory} has characters that HTTP cannot carry, and YAMCP-UI is asked at a socket in it"
        raise SettingInvalid(f"HUB_RUNTIME_DIR: {what}.", hint="Set HUB_RUNTIME_DIR to a path of ASCII characters.")


def data_home(settings: Settings) -> Path:
    """A directory whose `yamcp-nodejs` is HUB_YAMCP_DIR, whatever that is called: YAMCP-UI is told nothing else.

    Raises:
        DirectoryUnusable: it, or HUB_YAMCP_DIR, cannot be made.
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
    """The command line, for supervisord, that runs it with nothing of the hub's environment but `KEPT`.

    It is reached through a Unix socket alone, since it checks neither Host nor Origin of most requests, and a page
    could reach a port of it: a PORT that is no number is the path of a socket.
    """
    variables = {name: environment[name] for name in KEPT if name in environment} | {
        "PORT": str(settings.yamcp_ui_socket),
        "XDG_DATA_HOME": str(home),
    }
    words = (f"{name}={value}" for name, value in variables.items())
    return shlex.join(["env", "-i", *words, "sh", "-c", FRESH, node, "server.mjs"])
