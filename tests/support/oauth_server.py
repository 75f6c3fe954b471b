"""A remote MCP server that wants OAuth access tokens, with its authorization server, both of the MCP SDK's parts.

Its endpoint speaks Streamable HTTP with JSON answers. The person at the browser agrees at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import socket
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import uvicorn
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.routes import create_auth_routes, create_protected_resource_routes
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Json = dict[str, Any]
SCOPES = ["read", "write"]


class OAuthServer(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """What both servers know, and what a test may change or look at."""

    def __init__(self) -> None:
        self.url = ""
        self.person = "ada"
        """Who is at the browser."""
        self.lifetime = 3600
        """Seconds that an access token is said to last."""
        self.refresh_delay = 0.0
        self.may_refresh = asyncio.Event()
        """Cleared: refreshes have begun (`refreshing`), and do not end."""
        self.may_refresh.set()
        self.refreshing = 0
        self.needs: dict[str, str] = {}
        """The scope that a tool needs."""
        self.clients: dict[str, OAuthClientInformationFull] = {}
        self.codes: dict[str, tuple[AuthorizationCode, str]] = {}
        self.access: dict[str, tuple[AccessToken, str]] = {}
        self.refreshes: dict[str, tuple[RefreshToken, str]] = {}
        self.refreshed = 0
        """How often a refresh token was used."""
        self.revoked: list[str] = []
        self.calls: list[tuple[str, str]] = []
        """Tool and person of each call, by the token that came with it."""
        self.seen: list[str] = []
        """Every Authorization header that came to the endpoint."""
        self.heads: list[tuple[str, str, Mapping[str, str]]] = []
        """Of each message to the endpoint: the person whose token came with it, if any, the URL, and the headers."""
        self.answers: dict[str, Any] = {}
        """Answers for paths in place of the servers' own: a status, or a JSON document."""
        self._numbers = itertools.count(1)

    # --- the authorization server ------------------------------------------------------------------------------------

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        code = AuthorizationCode(
            code=secrets.token_urlsafe(20),
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        self.codes[code.code] = (code, self.person)
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code, (None,))[0]

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        code, person = self.codes.pop(authorization_code.code)
        return self._issue(code.client_id, person, code.scopes, code.resource)

    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> RefreshToken | None:
        return self.refreshes.get(refresh_token, (None,))[0]

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        _, person = self.refreshes.pop(refresh_token.token)
        self.refreshing += 1
        await asyncio.sleep(self.refresh_delay)
        await self.may_refresh.wait()
        self.refreshed += 1
        return self._issue(client.client_id, person, scopes, None)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.access.get(token, (None,))[0]

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        self.revoked.append(token.token)
        self.access.pop(token.token, None)
        self.refreshes.pop(token.token, None)

    def _issue(self, client: str, person: str, scopes: list[str], resource: str | None) -> OAuthToken:
        number = next(self._numbers)
        access, refresh = f"access-{number}-{secrets.token_hex(8)}", f"refresh-{number}-{secrets.token_hex(8)}"
        self.access[access] = (AccessToken(token=access, client_id=client, scopes=scopes, resource=resource), person)
        self.refreshes[refresh] = (RefreshToken(token=refresh, client_id=client, scopes=scopes), person)
        return OAuthToken(
            access_token=access, refresh_token=refresh, expires_in=self.lifetime, scope=" ".join(scopes) or None
        )

    def end_access(self) -> None:
        """Make all access tokens invalid, as at their end; refresh tokens stay."""
        self.access.clear()

    def end_everything(self) -> None:
        """Make all tokens invalid, as after a revocation."""
        self.access.clear()
        self.refreshes.clear()

    @property
    def secrets(self) -> set[str]:
        """Every token and secret that is valid now, and every token that came."""
        given = {client.client_secret for client in self.clients.values() if client.client_secret}
        return {*self.access, *self.refreshes, *given, *(each.removeprefix("Bearer ") for each in self.seen)}

    # --- the endpoint ------------------------------------------------------------------------------------------------

    async def endpoint(self, request: Request) -> Response:
        """Answer one message, if it comes with a valid token."""
        if request.method != "POST":
            return Response(status_code=405)
        header = request.headers.get("authorization", "")
        self.seen += [header] if header else []
        token, person = self.access.get(header.removeprefix("Bearer "), (None, ""))
        self.heads.append((person, str(request.url), dict(request.headers)))
        if token is None:
            return self._challenge(401, 'error="invalid_token", ' if header else "")
        frame = await request.json()
        tool = (frame.get("params") or {}).get("name", "") if frame.get("method") == "tools/call" else ""
        if tool in self.needs and self.needs[tool] not in token.scopes:
            return self._challenge(403, f'error="insufficient_scope", scope="{self.needs[tool]}", ')
        if "id" not in frame:
            return Response(status_code=202)
        if tool:
            self.calls.append((tool, person))
        return JSONResponse({"jsonrpc": "2.0", "id": frame["id"], "result": result_of(frame, person)})

    def _challenge(self, status: int, error: str) -> Response:
        metadata = f"{self.url}/.well-known/oauth-protected-resource/mcp"
        return Response(
            status_code=status, headers={"WWW-Authenticate": f'Bearer {error}resource_metadata="{metadata}"'}
        )

    def app(self) -> Starlette:
        """The routes of both."""
        issuer = AnyHttpUrl(self.url)
        registration = ClientRegistrationOptions(enabled=True, valid_scopes=SCOPES, default_scopes=["read"])
        routes = create_auth_routes(
            self, issuer, client_registration_options=registration, revocation_options=RevocationOptions(enabled=True)
        )
        routes += create_protected_resource_routes(AnyHttpUrl(f"{self.url}/mcp"), [issuer], ["read"])
        return Starlette(routes=[Route("/mcp", self.endpoint, methods=["GET", "POST", "DELETE"]), *routes])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application: `answers`, else the routes."""
        if scope["type"] == "http" and scope["path"] in self.answers:
            given = self.answers[scope["path"]]
            answer = Response(status_code=given) if isinstance(given, int) else JSONResponse(given)
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[OAuthServer]:
        """Serve on a free port of this machine."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self._app = self.app()
            server = uvicorn.Server(uvicorn.Config(self, log_config=None, lifespan="off"))
            server.install_signal_handlers = lambda: None  # type: ignore[method-assign]
            serving = asyncio.create_task(server.serve([listener]))
            try:
                yield self
            finally:
                server.should_exit = True
                server.force_exit = True
                await serving

    async def agree(self, url: str, person: str = "") -> dict[str, str]:
        """Open the address in a browser and agree; returns what the redirect says."""
        self.person = person or self.person
        async with httpx2.AsyncClient(timeout=100) as browser:
            answer = await browser.get(url)
        assert answer.status_code == 302, (answer.status_code, answer.text)
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def result_of(frame: Json, person: str) -> Json:
    """The result of a request to the MCP server, for a person."""
    method = frame["method"]
    if method == "initialize":
        info = {"name": "notes", "version": "1"}
        return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("whoami", "write")]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": person}]}
    return {}
