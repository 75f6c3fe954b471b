"""The command that runs a server in a container (pure). No value of a variable stands in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bridge.models import ContainerSettings
from sidecar.containers.errors import VariableRefused

Kind = Literal["podman", "docker"]

NOBODY = "65532:65532"
"""User and group, of nobody's, of a container whose image names no user."""
HUB_LABEL = "yamcp-hub.hub"
SESSION_LABEL = "yamcp-hub.session"
SERVER_LABEL = "yamcp-hub.server"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_ENGINES_OWN = re.compile(
    r"(?i)PATH|HOME|USER|LOGNAME|SHELL|TERM|LANG|TZ|TMPDIR|HOSTNAME|(HTTPS?|FTP|ALL|NO)_PROXY|_.*"
    r"|(XDG|DOCKER|BUILDKIT|CONTAINERS?|PODMAN|BUILDAH|STORAGE|REGISTRY|REGISTRIES|DBUS|LD|LC|GO|SSL|NOTIFY|LISTEN|OTEL"
    r"|NETAVARK|SSH|GPG|HUB|YAMCP_HUB)_?.*"
)
"""Variables that the engine's own client reads: a server's must not get into the client's environment."""


@dataclass(frozen=True, slots=True)
class Variables:
    """A server's variables: `named` go through the environment of the engine's client, `filed` through a file."""

    named: Mapping[str, str]
    filed: Mapping[str, str]

    @property
    def file(self) -> str:
        """The content of that file."""
        return "".join(f"{name}={value}\n" for name, value in self.filed.items())


def variables(env: Mapping[str, str]) -> Variables:
    """How each variable gets into the container.

    Raises:
        VariableRefused: a name or value that the engine would take for something else.
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
    """One container that is to be run. `mounts`: options made by `mount_option`, of resolved sources."""

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
    """Of the variables that it gets by name."""
    env_file: str | None = None


def run(kind: Kind, container: Container) -> tuple[str, ...]:
    """The arguments after the engine's program."""
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
        *("--entrypoint", container.command, settings.image, *container.args),
    )


def mount_option(source: str, target: str, read_only: bool) -> str:
    """A directory or file of the host, as the engines' option has it."""
    return f"type=bind,source={source},target={target}{',readonly' if read_only else ''}"


def user(wanted: str | None, image: str, rootless: bool) -> str | None:
    """Whom to name as the container's user; None leaves it to the image.

    Where root in the container is root of the host, an image that names nobody is run as nobody: root has to be said,
    by the image or in hub.json. Without root, the container's root is the hub's own user and nothing more.
    """
    return wanted or (None if image or rootless else NOBODY)


def megabytes(size: str) -> str:
    """A memory limit as people read it: `128m` is 128 MB."""
    number, unit = int(size[:-1]), size[-1]
    return f"{number} {unit.upper() if unit != 'k' else 'k'}B"


def _each(option: str, values: Iterable[str]) -> Iterable[str]:
    return (word for value in values for word in (option, value))
