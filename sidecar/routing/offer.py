"""A server as one workspace shows it, and the routes to what it offers. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.models import ServerSpec
from sidecar.features import schemas, uris
from sidecar.protocol.catalog import Catalog
from sidecar.routing.curation import Presets, ServerCurator
from sidecar.routing.limits import Limits, limits_of
from sidecar.routing.rights import ServerRights
from sidecar.routing.templates import HiddenTemplates

if TYPE_CHECKING:
    from sidecar.upstream.upstream import Upstream


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """A server of a workspace, with the lists that it offers at this moment."""

    spec: ServerSpec
    upstream: Upstream
    catalog: Catalog
    """The part of its lists that may be used."""
    label: str
    """The label in its URIs (features/uris.py); empty in a workspace without prefixes."""
    originals: uris.Originals
    """The URIs that it lists, also those that may not be used."""
    views: bool = False
    """Whether the server has views of MCP Apps (`ui://` URIs)."""
    rights: ServerRights | None = None
    """None if everything of the server may be used."""
    curator: ServerCurator | None = None
    """None if the workspace shows the server as it is."""
    hidden: HiddenTemplates | None = None
    """Its templates that the workspace does not show; None if there are none."""
    _limits: dict[str, Limits] = field(default_factory=dict)

    def rename(self, uri: str) -> str:
        """The exposed form of a URI of this server."""
        return uris.prefix(uri, self.label) if self.label else uri

    def lists(self, uri: str) -> bool:
        """Whether the server lists a URI (its own) that may be used."""
        return self.originals.has(uri) and self.permits(uri)

    def permits(self, uri: str) -> bool:
        """Whether a URI of the server may be used, listed or not."""
        if self.curator is not None and not self.curator.permits(uri, self.originals, self.hidden):
            return False
        if self.rights is None:
            return True
        if self.originals.has(uri):
            return self.rights.listed_uri(self.originals.restore(uri))
        return self.rights.other_uri(uri)

    def narrowed(self, method: str, result: dict[str, Any]) -> dict[str, Any]:
        """The result of a skills method (SEP-2640) without the resources that may not be used; other results as they
        are. URIs are the server's."""
        if self.rights is not None:
            result = self.rights.result(method, result)
        if self.curator is not None:
            result = self.curator.result(method, result, self.originals, self.hidden)
        return result

    def wraps(self, tool: str) -> bool:
        """Whether a tool's structured content is wrapped for legacy clients (`schemas.wrapped`)."""
        schemas_of = (item.get("outputSchema") for item in self.catalog.tools if item["name"] == tool)
        return any(map(schemas.needs_wrapping, schemas_of))

    def limits(self, tool: str) -> Limits:
        """The time limits for calls of a tool; for "", those of other requests."""
        limits = self._limits.get(tool)
        if limits is None:
            limits = self._limits[tool] = limits_of(self.spec.settings, tool)
        return limits


@dataclass(frozen=True, slots=True)
class Route:
    """The target of an exposed name: the server, and the name there."""

    offer: Offer
    name: str
    wrapped: bool = False
    """Whether its structured content is wrapped for legacy clients (`schemas.wrapped`)."""
    presets: Presets | None = None
    """The presets of its arguments; None if it has none."""
