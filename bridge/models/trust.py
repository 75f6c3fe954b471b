"""Trust: what servers changed of their tools since these were pinned, and scans of images and packages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bridge.models.base import Done, Model, Request

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ToolChange(Model):
    """What a server offers differently from its pin, or since its pins were made (docs/trust.md)."""

    server: str
    kind: Literal["tool", "prompt", "template", "instructions"]
    name: str
    """The server's own name of it: the URI template of a resource template, empty for its instructions."""
    change: Literal["new", "changed"]
    pending: bool
    """Whether it is kept from clients until it is accepted (`changes: block`, or it is rejected)."""
    rejected: bool = False
    """Whether an administrator has rejected it: it is no longer reported, and stays kept from clients."""
    since: float
    """When the hub saw it first (Unix time, seconds); after a restart of the hub, anew."""
    digest: Digest
    """SHA-256 of what the server offers now: what accepting it pins."""
    before: str | None = None
    """The pinned form as JSON; null if there was none, or it was too long to be kept."""
    after: str = ""
    """What the server offers now, as JSON; cut if it is very long."""
    diff: tuple[str, ...] = ()
    """Lines of both forms that differ, as a unified diff without a head."""
    hints: tuple[str, ...] = ()
    """What offline checks of the texts found: hints, never a verdict."""


class ToolChanges(Model):
    """The answer to `tool_changes`, by server and name."""

    changes: tuple[ToolChange, ...]
    renewed: dict[str, float] = Field(default_factory=dict)
    """Servers whose definition has changed since they were pinned, by key: when their new pins were begun."""
    hints: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Of tools and prompts as they are pinned: what offline checks found, by `server kind name`."""


class ReadToolChanges(Request[ToolChanges], kind="tool_changes", sockets=("actual",)):
    """Ask what differs from the pins: of all servers with `changes` warn or block, of one, or of a workspace's."""

    server: str | None = None
    workspace: str | None = None


class ToolsAccepted(Model):
    """The answer to `accept_tool_changes`."""

    accepted: tuple[str, ...]
    """The names that were pinned anew; `instructions` for the instructions."""


class AcceptToolChanges(Request[ToolsAccepted], kind="accept_tool_changes", sockets=("actual",), queue="trust"):
    """Pin what a server offers now.

    `tools` are names as in `tool_changes` (null: all that differ). With `digests`, only what was shown is accepted: if
    one of the changes has another digest by now, nothing is.
    """

    server: str
    tools: tuple[str, ...] | None = None
    digests: tuple[Digest, ...] = ()


class ToolsRejected(Model):
    """The answer to `reject_tool_changes`."""

    rejected: tuple[str, ...]
    """The names of what is rejected; `instructions` for the instructions."""


class RejectToolChanges(Request[ToolsRejected], kind="reject_tool_changes", sockets=("actual",), queue="trust"):
    """Keep what a server offers now from clients, and no longer report it; fields as of `accept_tool_changes`.

    It holds until the server offers something else in its place, or somebody accepts it.
    """

    server: str
    tools: tuple[str, ...] | None = None
    digests: tuple[Digest, ...] = ()


ScanState = Literal["none", "waiting", "clean", "found", "failed"]


class Sbom(Model):
    """The SBOM of one image or installed package, as CycloneDX JSON."""

    state: Literal["none", "waiting", "kept", "failed"]
    """`none`: there is no generator. `kept`: `read_sbom` has it."""
    digest: str = ""
    """SHA-256 (hex) of the document."""
    generator: str = ""
    """What made it, with its version."""
    form: str = ""
    """`CycloneDX`, with the version of the format."""
    at: float | None = None
    """When it was made (Unix time, seconds)."""
    size: int = 0
    """Bytes of the document."""
    components: int = 0
    """Components that it lists."""
    reason: str = ""
    """Why it could not be made, or is not."""
    retry_at: float | None = None
    """When it is tried again after a failure (Unix time, seconds)."""


class Scan(Model):
    """What is known of one image or installed package."""

    subject: str
    """`image:NAME` or `package:KEY OF THE SERVER`."""
    name: str
    """The image's name, or the package's with its version."""
    servers: tuple[str, ...] = ()
    state: ScanState
    """`none`: no scanner is installed, and none has before. `clean`: the scanner that is named found nothing then."""
    digest: str = ""
    """The image's id, or the integrity of the package, where it is known."""
    pinned: str = ""
    """What names exactly this elsewhere: `NAME@sha256:...` of a pulled image, the integrity of a package from its
    registry; empty if it is unknown, as for an image that was built here."""
    scanner: str = ""
    """Name of the scanner that ran, with its version if it reported; empty if none did."""
    database: float | None = None
    """When the scanner's database was made (Unix time, seconds); null: the scanner does not say."""
    at: float | None = None
    """When the last scan began (Unix time, seconds)."""
    critical: int = 0
    high: int = 0
    other: int = 0
    """Vulnerabilities found, by severity; `other` are those of lower or unknown severity."""
    reason: str = ""
    """Why the scan failed, or is not made."""
    retry_at: float | None = None
    """When a failed scan is tried again (Unix time, seconds)."""
    sbom: Sbom = Sbom(state="none")
    """What it consists of, where a generator is installed (docs/trust.md)."""


class Scans(Model):
    """The answer to `scans`: images and packages of the servers, by subject."""

    scans: tuple[Scan, ...]


class ReadScans(Request[Scans], kind="scans", sockets=("actual",)):
    """Ask for the state of all scans."""


class Rescan(Request[Done], kind="rescan", sockets=("actual",)):
    """Scan an image or package again, and make its SBOM anew; `subject` as in `scans`, null for all."""

    subject: str | None = None


class SbomText(Model):
    """The answer to `read_sbom`."""

    digest: Digest
    text: str
    """The document, CycloneDX JSON."""


class ReadSbom(Request[SbomText], kind="read_sbom", sockets=("actual",)):
    """Ask for the SBOM of an image or package; `subject` as in `scans`. Refused with `SBOM_UNKNOWN` if none is kept."""

    subject: str
