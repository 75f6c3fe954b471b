"""Activation of catalogue entries: installing, updating and removing servers, and the variables file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.errors import ErrorBody
from bridge.models.base import Done, Model, Request
from bridge.models.edits import Changed


class CatalogInput(Model):
    """One setting of an entry that its user may give, or that the entry fixes."""

    name: str
    """Unique in the entry; `values` and `secrets` of `activate` refer to it."""
    kind: Literal["variable", "argument", "header", "url"]
    """Where its value goes: an environment variable, an argument, a header, or a part of the URL."""
    label: str
    description: str = ""
    required: bool = False
    secret: bool = False
    default: str | None = None
    choices: tuple[str, ...] = ()
    format: Literal["string", "number", "boolean", "filepath"] = "string"
    repeated: bool = False
    """Whether it may have several values."""
    fixed: str | None = None
    """The value that the entry sets, which nobody can change."""
    placeholder: str = ""
    """An example of a value, for forms."""


JobState = Literal["waiting", "installing", "checking", "adding", "done", "failed", "cancelled"]


class ActivationJob(Model):
    """One installation or update, in progress or ended."""

    id: str
    action: Literal["activate", "update"]
    key: str
    """The server's key in providers.json."""
    name: str
    """The entry's name in the catalogue."""
    version: str = ""
    state: JobState
    step: str = ""
    """What it does now, for people."""
    line: str = ""
    """The last line of the installer that tells something; without secret values."""
    tools: int | None = None
    """How many tools the server listed when it was started; null before."""
    note: str = ""
    """What its user should know although it succeeded, such as: the server has no tools without its settings."""
    error: ErrorBody | None = None
    began: float
    ended: float | None = None


class ActivationJobs(Model):
    """The answer to `activation_jobs`: the jobs since the adapter's start, newest first."""

    jobs: tuple[ActivationJob, ...]


class JobStarted(Model):
    """The answer to `activate`."""

    job: str
    """The id of the job; an event `activation` announces each change of it."""
    key: str


class Activate(Request[JobStarted], kind="activate", sockets=("desired",), repeatable=False):
    """Install an entry of the catalogue, add it to providers.json, and put it into workspaces.

    The answer comes when the settings are checked; a job does the rest.
    """

    name: str = Field(max_length=200)
    version: str | None = Field(None, max_length=255)
    """The newest one that the catalogue has, if omitted."""
    source: str | None = Field(None, max_length=64)
    key: str | None = Field(None, max_length=200)
    """The key in providers.json; if omitted, it is made of the entry's name."""
    values: dict[str, str | tuple[str, ...]] = Field(default_factory=dict, max_length=200)
    """By the names of inputs. For a secret one only a reference to a variable that exists: `${NAME}`."""
    secrets: dict[str, str] = Field(default_factory=dict, max_length=200, repr=False)
    """Values of secret inputs. They go to variables.json, and nowhere else."""
    workspaces: tuple[str, ...] = Field((), max_length=100)
    """Created if they do not exist."""


class ReadActivationJobs(Request[ActivationJobs], kind="activation_jobs", sockets=("desired",)):
    """Ask for the jobs of activation."""


class CancelActivation(Request[Done], kind="cancel_activation", sockets=("desired",)):
    """Cancel a job that has not ended; what it installed is removed."""

    id: str


class InstalledServer(Model):
    """A server that was activated from the catalogue."""

    key: str
    name: str
    """The entry's name in the catalogue."""
    source: str = ""
    version: str
    """Of what is installed."""
    entry_version: str = ""
    """The version of its entry in the catalogue, which may be another one."""
    previous: str | None = None
    """The version to which `roll_back_installed` returns."""
    kind: Literal["npm", "pypi", "mcpb", "oci", "hub", "remote"]
    """`hub`: a program of the hub, which serves a file of the user."""
    folder: str = ""
    """Below HUB_DATA_DIR; empty for images and remote servers."""
    command: tuple[str, ...] = ()
    """The program and its arguments, as in providers.json; secrets are references."""
    digest: str = ""
    """What was installed: the integrity of the npm package, the SHA-256 of the wheel or file, or the image's digest."""
    installed: float
    """When, in seconds since the epoch."""
    in_use: bool = True
    """Whether providers.json still has an entry with this key."""


class InstalledServers(Model):
    """The answer to `installed_servers`."""

    servers: tuple[InstalledServer, ...]


class ReadInstalled(Request[InstalledServers], kind="installed_servers", sockets=("desired",)):
    """Ask which servers were activated from the catalogue."""


class UpdateStarted(Model):
    """The answer to `update_installed`."""

    job: str | None
    """The id of the job; null if the server is of this version of its entry already, and nothing is done."""
    key: str
    version: str
    """Of the entry."""


class UpdateInstalled(Request[UpdateStarted], kind="update_installed", sockets=("desired",), repeatable=False):
    """Install another version of an activated server, with the same settings."""

    key: str
    version: str | None = Field(None, max_length=255)
    """The newest one that the catalogue has, if omitted."""
    reinstall: bool = False
    """Also install the version that is installed: its package, or the entry itself, may have changed."""


class RollBackInstalled(Request[Changed], kind="roll_back_installed", sockets=("desired",), repeatable=False):
    """Return to the version of an activated server before its last update; it is still installed."""

    key: str


class Removed(Changed):
    """The answer to `remove_installed`."""

    variables: tuple[str, ...] = ()
    """Names in variables.json that only this server used; `remove_variable` removes them."""


class RemoveInstalled(Request[Removed], kind="remove_installed", sockets=("desired",), repeatable=False):
    """Remove an activated server: its entry, its place in workspaces, and its folder; its variables stay."""

    key: str


class Variable(Model):
    """A name to which definitions refer as `${NAME}`, or that variables.json has. Never its value."""

    name: str
    set_in: Literal["file", "environment", "none"]
    """`file`: variables.json, which comes before the hub's environment."""
    used_by: tuple[str, ...] = ()
    """Keys of servers."""


class Variables(Model):
    """The answer to `variables`."""

    variables: tuple[Variable, ...]


class ReadVariables(Request[Variables], kind="variables", sockets=("desired",)):
    """Ask for the names of variables; their values never leave the hub."""


class SetVariables(Request[Done], kind="set_variables", sockets=("desired",), queue="variables"):
    """Set variables in variables.json; servers that use them are started again with the new values."""

    values: dict[str, str] = Field(max_length=200, repr=False)


class RemoveVariable(Request[Done], kind="remove_variable", sockets=("desired",), queue="variables"):
    """Remove a variable from variables.json; a variable of the hub's environment with that name counts again."""

    name: str
