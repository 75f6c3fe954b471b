"""What one principal may use of a workspace: narrows what servers offer before a view is built of it. Pure.

A `Rights` is made for each principal's version of a workspace (hub/key_workspaces.py) if access.json is in use. The
decisions are those of `bridge.access`; here they are applied to lists, URIs and the results of extensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sidecar.features import uris
from sidecar.protocol import extensions
from sidecar.protocol.catalog import Catalog, Item
from sidecar.routing import skill_results
from sidecar.upstream.variables import acts_for_user

if TYPE_CHECKING:
    from bridge.access.permissions import Permissions
    from bridge.models import ServerSpec


def process_owner(spec: ServerSpec, tenant: str, rights: Rights | None) -> str:
    """The owner of a server's process for the principal with the id `tenant`, as in `Pool.acquire`.

    Empty for a process that all principals share.
    """
    if acts_for_user(spec):
        return tenant  # the connection is that user's, whatever else is shared
    shared_by = spec.settings.shared_by
    if not tenant or shared_by == "all":
        return ""
    return rights.permissions.tenant if rights is not None and shared_by == "group" else tenant


@dataclass(frozen=True, slots=True)
class Rights:
    """The permissions of a principal in one workspace."""

    permissions: Permissions
    workspace: str

    def sees(self, server: str) -> bool:
        """Whether anything of a server may be used, so that it is a member of the principal's workspace."""
        return self.permissions.server(self.workspace, server)

    def of(self, server: str) -> ServerRights | None:
        """The rights on a server; None if everything of it may be used, whatever it is called."""
        if self.permissions.whole(self.workspace, server):
            return None
        return ServerRights(self.permissions, self.workspace, server)


def rights_of(rights: Rights | None, server: str) -> ServerRights | None:
    """The rights on a server; None if everything of it may be used."""
    return rights.of(server) if rights is not None else None


@dataclass(frozen=True, slots=True)
class ServerRights:
    """The permissions of a principal on one server of a workspace, of which it may use only a part."""

    permissions: Permissions
    workspace: str
    server: str

    def tool(self, item: Item) -> bool:
        """Whether a tool may be used, as the server lists it at this moment: rules may ask for its annotations."""
        hints = item.get("annotations")
        return self._allows("tool", item["name"], hints if isinstance(hints, Mapping) else None)

    def prompt(self, item: Item) -> bool:
        """Whether a prompt may be used."""
        return self._allows("prompt", item["name"])

    def listed_uri(self, uri: str) -> bool:
        """Whether a resource or template may be used that the server lists with exactly this URI."""
        return self._allows("resource", uri)

    def other_uri(self, uri: str) -> bool:
        """Whether a URI may be used that the server does not list, for example one that matches a template.

        The server may normalise the URI (RFC 3986, section 6.2.2), so every equivalent form of it has to be allowed.
        """
        return all(self._allows("resource", form) for form in uris.equivalent(uri))

    def catalog(self, catalog: Catalog) -> Catalog:
        """The part of a server's lists that may be used.

        Of several tools with the same name the last one counts (`view.build`), so it alone decides about the name.
        """
        return Catalog(
            catalog.greeting,
            tuple(filter(self.tool, _last_of_each_name(catalog.tools))),
            tuple(filter(self.prompt, _last_of_each_name(catalog.prompts))),
            tuple(item for item in catalog.resources if self._lists(item, "uri")),
            tuple(item for item in catalog.templates if self._lists(item, "uriTemplate")),
        )

    def capabilities(self, capabilities: Mapping[str, Any]) -> Mapping[str, Any]:
        """The server's capabilities without extensions that the hub does not know: no rule is about their methods, so
        only those who may use everything of a server may use them."""
        return extensions.known_only(capabilities)

    def result(self, method: str, result: dict[str, Any]) -> dict[str, Any]:
        """The result of a skills method (SEP-2640) without the resources that may not be used. URIs are the server's.

        The results of all other methods are returned unchanged.
        """
        return skill_results.narrowed(method, result, self.listed_uri)

    def _lists(self, item: Item, field: str) -> bool:
        uri = item.get(field)
        return isinstance(uri, str) and self.listed_uri(uri)

    def _allows(self, kind: Any, name: str, annotations: Mapping[str, Any] | None = None) -> bool:
        return self.permissions.item(self.workspace, self.server, kind, name, annotations).allowed


def _last_of_each_name(items: Iterable[Item]) -> Iterable[Item]:
    return {item["name"]: item for item in items if isinstance(item.get("name"), str)}.values()
