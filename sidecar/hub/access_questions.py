"""Answers over the bridge what a subject may use, and why (`explain_access`, `view_as`), by the lists of the servers
that run now. The decisions are those by which the views of principals are built (routing/rights.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from bridge.models import (
    AccessDecision,
    AccessExplained,
    AccessItem,
    AccessRule,
    AccessView,
    ExplainAccess,
    ItemKind,
    ViewAs,
    WorkspaceAccess,
)
from bridge.server import Handlers
from sidecar.errors import ServerUnknown, WorkspaceUnknown
from sidecar.features import uris
from sidecar.hub.hub import Hub
from sidecar.protocol.catalog import Catalog, Item
from sidecar.routing import view as views

if TYPE_CHECKING:
    from bridge.access.permissions import Decision, Permissions
    from bridge.keys import Principal
    from sidecar.routing.view import View
    from sidecar.workspaces.workspace import Workspace


class Place(NamedTuple):
    """An item of a server in a workspace. `name` is the server's own, a URI for resources and templates."""

    type: ItemKind
    server: str
    name: str
    shown_as: str
    annotations: dict[str, object] | None = None
    listed: bool = True


class AccessQuestions:
    """The handlers of one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def handlers(self) -> Handlers:
        """The handlers for the bridge's `actual` socket, by kind of request."""
        return {ExplainAccess: self._explain, ViewAs: self._view_as}

    async def _explain(self, request: ExplainAccess) -> AccessExplained:
        """Raises SubjectUnknown, WorkspaceUnknown, ServerUnknown."""
        principal = await self._hub.access.find(request.subject)
        permissions = self._hub.access.permissions(principal)
        chosen = self._chosen(request.workspace)
        listed = [(each, place) for each in chosen for place in self._places(each) if _is_meant(request, place)]
        found = listed or [(each, place) for each in chosen for place in self._unlisted(each, request)]
        if not found and request.server is not None:
            raise ServerUnknown(f"No server {request.server!r} is switched on there.")
        return AccessExplained(
            subject=request.subject,
            principal=principal.id,
            role=permissions.role,
            decisions=tuple(self._decision(permissions, each, place) for each, place in found),
        )

    async def _view_as(self, request: ViewAs) -> AccessView:
        """Raises SubjectUnknown."""
        principal = await self._hub.access.find(request.subject)
        permissions = self._hub.access.permissions(principal)
        return AccessView(
            subject=request.subject,
            principal=principal.id,
            role=permissions.role,
            workspaces=tuple(
                self._seen(principal, each, items=request.items) for each in self._hub.workspaces.values()
            ),
        )

    def _seen(self, principal: Principal, workspace: Workspace, *, items: bool) -> WorkspaceAccess:
        permissions, name = self._hub.access.permissions(principal), workspace.name
        usable = self._hub.access.may_use(principal, workspace.spec)
        places = self._places(workspace) if items else ()
        return WorkspaceAccess(
            name=name,
            usable=usable,
            servers=tuple(key for key in workspace.spec.servers if usable and permissions.server(name, key)),
            items=tuple(_item(permissions, name, place) for place in places),
        )

    # --- what there is -------------------------------------------------------------------------------------------

    def _chosen(self, name: str | None) -> list[Workspace]:
        if name is None:
            return list(self._hub.workspaces.values())
        if (found := self._hub.find(name)) is None:
            raise WorkspaceUnknown(
                f"There is no workspace {name!r}.", data={"workspaces": sorted(self._hub.workspaces)}
            )
        return [found]

    def _places(self, workspace: Workspace) -> Iterator[Place]:
        """Everything in a workspace, of all servers whose lists are known."""
        return _places(self._whole(workspace))

    def _unlisted(self, workspace: Workspace, request: ExplainAccess) -> Iterator[Place]:
        """The item that a request means on each server, where none lists it. A URI may lead to one of them."""
        located = self._whole(workspace).resource(request.name) if request.type == "resource" else None
        if located is not None and request.server in (None, located[0].spec.key):
            yield Place("resource", located[0].spec.key, located[1], request.name, listed=False)
            return
        for key in workspace.members:
            if request.server in (None, key):
                yield Place(request.type, key, request.name, request.name, listed=False)

    def _whole(self, workspace: Workspace) -> View:
        """The view of a workspace as if nothing was hidden, with those `per_client` servers that run for any client."""
        pool = self._hub.pool
        sources = []
        for member in workspace.members.values():
            fingerprint = pool.fingerprint(member.spec)
            running = (each for each in pool if each.fingerprint == fingerprint and each.catalog is not None)
            upstream = member.serving or next(running, None)
            if upstream is not None and upstream.catalog is not None:
                sources.append((member.spec, upstream, upstream.catalog))
        configured = {key: member.spec.namespace for key, member in workspace.members.items()}
        template, curation = workspace.spec.name_template, workspace.spec.curation
        return views.build(sources, template, configured=configured, before=workspace.view, curation=curation)

    def _decision(self, permissions: Permissions, workspace: Workspace, place: Place) -> AccessDecision:
        item = _item(permissions, workspace.name, place)
        return AccessDecision(
            **item.model_dump(), workspace=workspace.name, listed=place.listed, text=self._rule(item.rule)
        )

    def _rule(self, index: int | None) -> AccessRule | None:
        file = self._hub.snapshot.access if self._hub.snapshot else None
        return file.rules[index] if file is not None and index is not None else None


def _places(view: View) -> Iterator[Place]:
    for shown_as, route in view.tool_routes.items():
        hints = _named(route.offer.catalog.tools, route.name).get("annotations")
        yield Place("tool", route.offer.spec.key, route.name, shown_as, hints if isinstance(hints, dict) else None)
    for shown_as, route in view.prompt_routes.items():
        yield Place("prompt", route.offer.spec.key, route.name, shown_as)
    for offer in view.offers:
        for uri in _uris(offer.catalog):
            yield Place("resource", offer.spec.key, uri, offer.rename(uri))


def _is_meant(request: ExplainAccess, place: Place) -> bool:
    return (
        place.type == request.type
        and request.server in (None, place.server)
        and request.name in (place.name, place.shown_as)
    )


def _named(items: tuple[Item, ...], name: str) -> Item:
    return next(item for item in reversed(items) if item.get("name") == name)


def _uris(catalog: Catalog) -> Iterator[str]:
    for items, field in ((catalog.resources, "uri"), (catalog.templates, "uriTemplate")):
        yield from (item[field] for item in items if isinstance(item.get(field), str))


def _item(permissions: Permissions, workspace: str, place: Place) -> AccessItem:
    decision = _decide(permissions, workspace, place)
    rule = decision.rule
    return AccessItem(
        type=place.type,
        server=place.server,
        name=place.name,
        shown_as=place.shown_as,
        allowed=decision.allowed,
        reason="rule" if isinstance(rule, int) else rule,
        rule=rule if isinstance(rule, int) else None,
        why=decision.why,
    )


def _decide(permissions: Permissions, workspace: str, place: Place) -> Decision:
    """The decision on an item. A URI that is not listed needs that all its forms are allowed (`ServerRights`)."""
    decided = permissions.item(workspace, place.server, place.type, place.name, place.annotations)
    if place.type != "resource" or place.listed or not decided.allowed:
        return decided
    forms = (permissions.item(workspace, place.server, "resource", form) for form in uris.equivalent(place.name))
    return next((form for form in forms if not form.allowed), decided)
