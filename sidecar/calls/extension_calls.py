"""Requests and notifications of clients that belong to protocol extensions, on their way to the servers that have them.

Which extensions there are, and which the hub knows, is in `extensions.py`; docs/extensions.md has the whole table.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from sidecar.calls.answered import Answered
from sidecar.errors import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    RESOURCE_NOT_FOUND,
    ResourceUnknown,
    ServerUnavailable,
    SidecarError,
)
from sidecar.features import pagination
from sidecar.protocol import eras, extensions
from sidecar.upstream.list_reader import MAX_PAGES

if TYPE_CHECKING:
    from sidecar.calls.request import Request
    from sidecar.routing.view import Offer, View
    from sidecar.sessions.session import Session
    from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)

FASTMCPS = frozenset({"initialize", "ping", "server/discover", "subscriptions/listen"})
"""Requests that FastMCP answers (fastmcp_server.py)."""
NOT_HERE = frozenset({INVALID_PARAMS, METHOD_NOT_FOUND, RESOURCE_NOT_FOUND})
"""Error codes of a server that does not have what a URI names."""


class Asking(Protocol):
    """What asks the servers of the workspace: its relay."""

    async def view(self, request: Request) -> View:
        """What the client sees. Raises WorkspaceOff, WorkspaceGone."""

    async def ask(self, request: Request, offer: Offer, params: dict[str, Any]) -> dict[str, Any]:
        """The result of a server, translated for the client. Raises Answered, SidecarError."""

    async def task(self, request: Request) -> dict[str, Any]:
        """Ask about a task, answer what it asks, or end it, where it runs."""

    def missing(self, request: Request, kind: type[SidecarError], what: str) -> SidecarError:
        """The error for what the client's view does not have."""


class ExtensionCalls:
    """Answers the extensions' methods for the clients of one workspace."""

    def __init__(self, relay: Asking, workspace: Workspace, page_size: int) -> None:
        self._relay = relay
        self._workspace = workspace
        self._page_size = page_size
        self._handlers: Mapping[str, Callable[[Request], Awaitable[dict[str, Any]]]] = {
            "tasks/update": relay.task,
            "skills/list": self._list_skills,
            "skills/get": self._by_uri,
            "resources/directory/read": self._by_uri,
        }

    def takes(self, method: str) -> bool:
        """Whether a method belongs to an extension that the workspace declares."""
        identifier = extensions.METHODS.get(method)
        if identifier is not None:
            return identifier in self._workspace.declared().extensions
        return method not in FASTMCPS and self._workspace.declared().owner(method) is not None

    async def answer(self, request: Request) -> dict[str, Any]:
        """The result for a request that `takes`. Raises as `Relay.answer`."""
        return await self._handlers.get(request.method, self._unknown)(request)

    async def _unknown(self, request: Request) -> dict[str, Any]:
        """A method that the hub does not know goes, as it is, to the one server that it can belong to."""
        key = self._workspace.declared().owner(request.method)
        if key is None:  # the server has changed just now
            raise Answered({"code": METHOD_NOT_FOUND, "message": "Method not found"})
        view = await self._relay.view(request)
        offer = next((offer for offer in view.offers if offer.spec.key == key), None)
        if offer is None:
            raise ServerUnavailable(f"The server {key!r}, which alone has {request.method[:100]}, is not ready.")
        return await self._relay.ask(request, offer, request.params)

    async def noticed(self, session: Session, method: str, params: dict[str, Any]) -> None:
        """Pass on a client's notification that means nothing to the hub.

        To the server whose extension it belongs to; else to the client's own server, if it has one alone: nothing in
        the protocol says which of several it is for.
        """
        key = self._workspace.declared().owner(method)
        member = self._workspace.members.get(key) if key is not None else None
        upstream = session.own.get(member.spec.key) or member.serving if member else None
        if upstream is None and len(session.own) == 1:
            (upstream,) = session.own.values()
        if upstream is None:
            log.debug("a client's notification is for no server in particular", extra={"method": method[:100]})
        else:
            await upstream.notify(method, eras.without_connection_meta(params))

    # --- skills (SEP-2640) -----------------------------------------------------------------------------------------

    async def _list_skills(self, request: Request) -> dict[str, Any]:
        """The skills of all servers. A server that cannot be asked is left out, unless none can."""
        offers = self._with_skills(await self._relay.view(request))
        found = await asyncio.gather(*(self._skills_of(request, offer) for offer in offers), return_exceptions=True)
        request.call.server = ""  # several were asked
        failed = [(offer, each) for offer, each in zip(offers, found, strict=True) if isinstance(each, BaseException)]
        for offer, error in failed:
            if len(failed) == len(found) or not isinstance(error, Answered | SidecarError):
                raise error
            log.warning("the skills of a server are left out", extra={"server": offer.spec.key, "reason": str(error)})
        skills = [skill for each in found if isinstance(each, list) for skill in each]
        return pagination.page("skills", skills, request.params, self._page_size)

    async def _skills_of(self, request: Request, offer: Offer) -> list[dict[str, Any]]:
        """All pages of one server's list, with the workspace's URIs."""
        params = {name: value for name, value in request.params.items() if name != "cursor"}
        skills: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await self._relay.ask(request, offer, {**params, "cursor": cursor} if cursor else params)
            listed = page.get("skills")
            skills += [skill for skill in listed if isinstance(skill, dict)] if isinstance(listed, list) else []
            following = page.get("nextCursor")
            if not isinstance(following, str) or following in ("", cursor):
                break
            cursor = following
        return skills

    async def _by_uri(self, request: Request) -> dict[str, Any]:
        """Ask the server that a URI leads to; where URIs have no labels, each that has skills, in turn."""
        exposed, view = request.string("uri"), await self._relay.view(request)
        found, offers = view.resource(exposed), self._with_skills(view)
        if found is not None and (view.labels or found[0].originals.has(exposed) or not offers):
            return await self._relay.ask(request, found[0], {**request.params, "uri": found[1]})
        if not offers or view.labels:
            raise self._relay.missing(request, ResourceUnknown, f"no server for the resource {exposed[:200]!r}.")
        for offer in offers[:-1]:
            try:
                return await self._relay.ask(request, offer, request.params)
            except Answered as answered:
                if answered.error.get("code") not in NOT_HERE:
                    raise
        return await self._relay.ask(request, offers[-1], request.params)

    @staticmethod
    def _with_skills(view: View) -> list[Offer]:
        return [
            each for each in view.offers if extensions.declares(each.catalog.greeting.capabilities, extensions.SKILLS)
        ]
