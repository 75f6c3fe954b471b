"""Opens sign-in when it is first needed: with a request for it, or at the start if there is a journal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bridge.credentials import JOURNAL_FILE
from bridge.errors import HubError
from bridge.models import (
    BeginLogin,
    Done,
    EndGrant,
    EndLogins,
    EndUser,
    FindClient,
    Grants,
    IssueCode,
    ListGrants,
    ListUsers,
    Model,
    RedeemCode,
    RefreshGrant,
    RegisterClient,
    Request,
    RevokeToken,
    SignInUser,
    Users,
)
from bridge.server import Handlers
from bridge.settings import Settings
from yamcp_ui_adapter.keys import KeyStore
from yamcp_ui_adapter.sign_in.errors import NoSuchGrant, NoSuchUser, OAuthOff

if TYPE_CHECKING:
    from yamcp_ui_adapter.sign_in.service import SignIn

log = logging.getLogger(__name__)

OAUTH = (RegisterClient, FindClient, IssueCode, RedeemCode, RefreshGrant)
"""Requests of the authorization server, which HUB_OAUTH switches off; grants can be listed and ended without it."""
OTHERS = (RevokeToken, ListGrants, EndGrant, SignInUser, BeginLogin, EndLogins, ListUsers, EndUser)


class OnDemand:
    """The handlers of the requests about sign-in. A hub that asks for no credentials has no grants and users, refuses
    sign-ins with OAuthOff, and imports and opens nothing.

    `workspaces` returns the names of all workspaces; `on_change` is as in `Reports`.
    """

    def __init__(
        self,
        settings: Settings,
        keys: KeyStore,
        workspaces: Callable[[], Collection[str]],
        on_change: Callable[[str, str], None],
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._workspaces = workspaces
        self._on_change = on_change
        self._path = settings.data_dir.absolute() / JOURNAL_FILE
        self._opened = asyncio.Event()
        self._sign_in: SignIn | None = None
        keys.on_rename = self._renamed

    def handlers(self) -> Handlers:
        """Return the handlers of the requests on the desired socket."""
        return dict.fromkeys((*OAUTH, *OTHERS), self._handle)

    async def run(self) -> None:
        """Keep up grants and users, as soon as there are some, until cancelled."""
        if self._path.exists() or self._settings.config_database_url:
            with self._logged():
                self._open()
        await self._opened.wait()
        await self._open().run()

    def close(self) -> None:
        """Close the journal, if it is open."""
        if self._sign_in:
            self._sign_in.close()

    async def _handle(self, body: Request[Any]) -> Model:
        """Raises OAuthOff, DataDirUnusable, and as the handler of the request."""
        if not self._settings.protected:
            return _unprotected(body)
        if isinstance(body, OAUTH) and not self._settings.oauth:
            raise OAuthOff("HUB_OAUTH is off: clients cannot sign in with OAuth.")
        return await self._open().handlers()[type(body)](body)

    def _open(self) -> SignIn:
        """Raises DataDirUnusable: the journal cannot be read."""
        if self._sign_in is None:
            from yamcp_ui_adapter.sign_in.service import SignIn  # noqa: PLC0415

            uses = self._keys.uses
            self._sign_in = SignIn.of(self._settings, self._workspaces, self._on_change, uses.fetch)
            uses.on_grants = self._sign_in.upkeep.used
            self._opened.set()
        return self._sign_in

    def _renamed(self, renames: Mapping[str, str]) -> None:
        if self._sign_in or (self._settings.protected and self._path.exists()):
            with self._logged():
                self._open().upkeep.renamed(renames)

    @contextlib.contextmanager
    def _logged(self) -> Iterator[None]:
        try:
            yield
        except HubError as error:
            log.error("sign-in is not available", extra={"code": error.code, "why": error.message})  # noqa: TRY400


def _unprotected(body: Request[Any]) -> Model:
    """Answer for a hub in which nobody signs in: there are no grants, users and logins.

    Raises NoSuchGrant, NoSuchUser: one should end; OAuthOff: one should begin.
    """
    match body:
        case ListGrants():
            return Grants(grants=())
        case ListUsers():
            return Users(users=())
        case RevokeToken() | EndLogins():
            return Done()
        case EndGrant():
            raise NoSuchGrant("This hub asks for no credentials, so that it has no grants.")
        case EndUser():
            raise NoSuchUser("This hub asks for no credentials, so that it has no users.")
    raise OAuthOff("This hub asks for no credentials, so that nobody signs in.")
