"""The command line that runs a server in a container. It contains no values of variables. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bridge.models import ContainerSettings
from sidecar.containers.errors import VariableRefused

EngineKind = Literal["podman", "docker"]

NOBODY = "65532:65532"
"""User and group, used by nobody else, for containers whose image has no user."""
HUB_LABEL = "yamcp-hub.hub"
SESSION_LABEL = "yamcp-hub.session"
SERVER_LABEL = "yamcp-hub.server"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_ENGINES_OWN = re.compile(
    r"(?i)PATH|HOME|USER|LOGNAME|SHELL|TERM|LANG|TZ|TMPDIR|HOSTNAME|(HTTPS?|FTP|ALL|NO)_PROXY|_.*"
    r"|(XDG|DOCKER|BUILDKIT|CONTAINERS?|PODMAN|BUILDAH|STORAGE|REGISTRY|REGISTRIES|DBUS|LD|LC|GO|SSL|NOTIFY|LISTEN|OTEL"
    r"|NETAVARK|SSH|GPG|HUB|YAMCP_HUB)_?.*"
)
"""Variables that the engine's client reads itself: those of a server must not get into the client's environment."""


@dataclass(frozen=True, slots=True)
class Variables:
    """A server's variables: `named` are passed through the environment of the engine's client, `filed` in a file."""

    named: Mapping[str, str]
    filed: Mapping[str, str]

    @property
    def file(self) -> str:
        """The content of the file for `--env-file`."""
        return "".join(f"{name}={value}\n" for name, value in self.filed.items())


def variables(env: Mapping[str, str]) -> Variables:
    """Decide how each variable is passed into the container.

    Raises:
        VariableRefused: a name or value cannot be passed by the engine's options.
    """
    for name, value in env.items():
        if not _NAME.fullmatch(name):
            raise VariableRefused(f"A container cannot have a variable called {name!r}.")
        if _ENGINES_OWN.fullmatch(name) and re.search(r"[\r\n\x00]", value):
            raise VariableRefused(f"The variable {name!r} cannot be passed into a container: it has several lines.")
    filed = {name: value for name, value in env.items() if _ENGINES_OWN.fullmatch(name)}
    return Variables({name: value for name, value in env.items() if name not in filed}, filed)


@dataclass(frozen=True, slots=True)
class Container:
    """The parameters of a container to run. `mounts`: made by `mount_option`, with resolved sources."""

    name: str
    hub: str
    session: str
    server: str
    settings: ContainerSettings
    command: str
    args: tuple[str, ...]
    user: str | None
    mounts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Names of the variables passed through the client's environment."""
    env_file: str | None = None
    image: str = ""
    """The id of the image to run; empty: the one that `settings.image` names when the engine looks."""


def run(kind: EngineKind, container: Container) -> tuple[str, ...]:
    """The arguments for the engine's program."""
    settings = container.settings
    return (
        *("run", "-i", "--rm", "--init", "--pull", "never", "--name", container.name),
        *("--label", f"{HUB_LABEL}={container.hub}", "--label", f"{SESSION_LABEL}={container.session}"),
        *("--label", f"{SERVER_LABEL}={container.server}"),
        *("--log-driver", "none", "--no-healthcheck"),
        *(("--http-proxy=false", "--image-volume", "tmpfs") if kind == "podman" else ()),
        *("--cap-drop", "all", "--security-opt", "no-new-privileges"),
        *("--read-only", "--tmpfs", f"/tmp:rw,exec,nosuid,nodev,mode=1777,size={settings.memory}"),  # noqa: S108
        *("--memory", settings.memory, "--memory-swap", settings.memory),
        *("--cpus", f"{settings.cpus:g}", "--pids-limit", str(settings.pids)),
        *(() if settings.network else ("--network", "none")),
        *_each("--mount", container.mounts),
        *_each("-e", container.names),
        *(("--env-file", container.env_file) if container.env_file else ()),
        *(("--user", container.user) if container.user else ()),
        *(("--workdir", settings.workdir) if settings.workdir else ()),
        *("--entrypoint", container.command, container.image or settings.image, *container.args),
    )


def mount_option(source: str, target: str, read_only: bool) -> str:
    """The value of `--mount` for a directory or file of the host."""
    return f"type=bind,source={source},target={target}{',readonly' if read_only else ''}"


def user(wanted: str | None, image: str, rootless: bool) -> str | None:
    """The value of `--user`; None for the image's default.

    Under a root engine, root in the container is root of the host, so an image without a user runs as NOBODY unless the
    image or hub.json names root explicitly. Under a rootless engine, the container's root is the hub's own user.
    """
    return wanted or (None if image or rootless else NOBODY)


def megabytes(size: str) -> str:
    """Format a memory limit for messages: `128m` becomes `128 MB`."""
    number, unit = int(size[:-1]), size[-1]
    return f"{number} {unit.upper() if unit != 'k' else 'k'}B"


def _each(option: str, values: Iterable[str]) -> Iterable[str]:
    return (word for value in values for word in (option, value))
