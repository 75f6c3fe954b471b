"""Routes the requests and notifications of protocol extensions to the servers that have the extension (ADR 27).

`sidecar/protocol/extensions.py` lists the extensions that the hub knows; docs/extensions.md describes each.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from sidecar.calls.error_response import ErrorResponse
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
from sidecar.routing.rights import rights_of
from sidecar.upstream.list_reader import MAX_PAGES

if TYPE_CHECKING:
    from sidecar.calls.request import Request
    from sidecar.routing.offer import Offer
    from sidecar.routing.view import View
    from sidecar.sessions.session import Session
    from sidecar.workspaces.workspace import Workspace

log = logging.getLogger(__name__)

FASTMCP_METHODS = frozenset({"initialize", "ping", "server/discover", "subscriptions/listen"})
"""Methods that FastMCP answers (fastmcp_server.py)."""
NOT_FOUND_CODES = frozenset({INVALID_PARAMS, METHOD_NOT_FOUND, RESOURCE_NOT_FOUND})
"""JSON-RPC error codes with which a server tells that it does not have the resource of a URI."""


class ServerRelay(Protocol):
    """The part of `Relay` that extension calls need; see there."""

    async def view(self, request: Request) -> View:
        """The view of the requesting client. Raises WorkspaceOff, WorkspaceGone."""

    async def ask(self, request: Request, offer: Offer, params: dict[str, Any]) -> dict[str, Any]:
        """Send a request to a server; the result is translated for the client. Raises ErrorResponse, SidecarError."""

    async def task(self, request: Request) -> dict[str, Any]:
        """Answer a request about a task."""

    def missing(self, request: Request, kind: type[SidecarError], what: str) -> SidecarError:
        """The error for an item that the client's view does not have."""


class ExtensionCalls:
    """Answers the extensions' methods for the clients of one workspace."""

    def __init__(self, relay: ServerRelay, workspace: Workspace, page_size: int) -> None:
        self._relay = relay
        self._workspace = workspace
        self._page_size = page_size
        self._handlers: Mapping[str, Callable[[Request], Awaitable[dict[str, Any]]]] = {
            "tasks/update": relay.task,
            "skills/list": self._list_skills,
            "skills/get": self._by_uri,
            "resources/directory/read": self._by_uri,
        }

    def handles(self, method: str) -> bool:
        """Whether the method belongs to an extension that the workspace declares."""
        identifier = extensions.METHODS.get(method)
        if identifier is not None:
            return identifier in self._workspace.declared().extensions
        return method not in FASTMCP_METHODS and self._workspace.declared().owner(method) is not None

    async def answer(self, request: Request) -> dict[str, Any]:
        """The result of a request whose method this `handles`. Raises as `Relay.answer`."""
        return await self._handlers.get(request.method, self._unknown)(request)

    async def _unknown(self, request: Request) -> dict[str, Any]:
        """Pass a request of an extension that the hub does not know, unchanged, to the only server that has it."""
        key = self._workspace.declared().owner(request.method)
        if key is None:  # the server has changed since `handles`
            raise ErrorResponse({"code": METHOD_NOT_FOUND, "message": "Method not found"})
        view = await self._relay.view(request)
        offer = next((offer for offer in view.offers if offer.spec.key == key), None)
        if offer is None:
            raise ServerUnavailable(f"The server {key!r}, which alone has {request.method[:100]}, is not ready.")
        return await self._relay.ask(request, offer, request.params)

    async def pass_notification(self, session: Session, method: str, params: dict[str, Any]) -> None:
        """Pass on a client's notification that the hub does not know.

        It goes to the server whose extension it belongs to, else to the client's own `per_client` server if there is
        exactly one: the protocol does not tell for which of several servers it is.
        """
        key = self._workspace.declared().owner(method)
        member = self._workspace.members.get(key) if key is not None else None
        upstream = session.own.get(member.spec.key) or member.serving if member else None
        if upstream is None and len(session.own) == 1:
            ((key, only),) = session.own.items()
            upstream = only if rights_of(self._workspace.rights, key) is None else None
        if upstream is None:
            log.debug("a client's notification is for no server in particular", extra={"method": method[:100]})
        else:
            await upstream.notify(method, eras.without_connection_meta(params))

    # --- skills (SEP-2640) -----------------------------------------------------------------------------------------

    async def _list_skills(self, request: Request) -> dict[str, Any]:
        """The skills of all servers. Servers that fail are left out, unless all of them do."""
        offers = self._with_skills(await self._relay.view(request))
        found = await asyncio.gather(*(self._skills_of(request, offer) for offer in offers), return_exceptions=True)
        request.call.server = ""  # the request concerns several servers
        failed = [(offer, each) for offer, each in zip(offers, found, strict=True) if isinstance(each, BaseException)]
        for offer, error in failed:
            if len(failed) == len(found) or not isinstance(error, ErrorResponse | SidecarError):
                raise error
            log.warning("the skills of a server are left out", extra={"server": offer.spec.key, "reason": str(error)})
        skills = [skill for each in found if isinstance(each, list) for skill in each]
        return pagination.page("skills", skills, request.params, self._page_size)

    async def _skills_of(self, request: Request, offer: Offer) -> list[dict[str, Any]]:
        """The skills of all pages of one server's list, with the workspace's URIs."""
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
        """Send the request to the server that serves the URI. If that is not known because the workspace's URIs have
        no labels, try the servers with skills one after the other."""
        exposed, view = request.require_string("uri"), await self._relay.view(request)
        found, offers = view.resource(exposed), [each for each in self._with_skills(view) if each.permits(exposed)]
        if found is not None and (view.labels or found[0].originals.has(exposed) or not offers):
            return await self._relay.ask(request, found[0], {**request.params, "uri": found[1]})
        if not offers or view.labels:
            raise self._relay.missing(request, ResourceUnknown, f"no server for the resource {exposed[:200]!r}.")
        for offer in offers[:-1]:
            try:
                return await self._relay.ask(request, offer, request.params)
            except ErrorResponse as error_response:
                if error_response.error.get("code") not in NOT_FOUND_CODES:
                    raise
        return await self._relay.ask(request, offers[-1], request.params)

    @staticmethod
    def _with_skills(view: View) -> list[Offer]:
        return [
            each for each in view.offers if extensions.declares(each.catalog.greeting.capabilities, extensions.SKILLS)
        ]
