"""The decisions of the hub's authorization server: clients, codes, tokens and their revocation (OAuth 2.1)."""

from __future__ import annotations

from collections.abc import Callable, Collection

from bridge.credentials.records import ClientRecord, EndReason, RefreshRecord
from bridge.keys import token_hash
from bridge.models import (
    ClientRegistered,
    CodeIssued,
    Done,
    FindClient,
    IssueCode,
    OAuthClient,
    RedeemCode,
    RefreshGrant,
    RegisterClient,
    RevokeToken,
    Tokens,
)
from bridge.server import Handlers
from yamcp_ui_adapter.sign_in.codes import Codes, IssuedCode, check
from yamcp_ui_adapter.sign_in.errors import ClientInvalid, GrantInvalid, NoSuchClient, PrincipalUnknown, WorkspaceGone
from yamcp_ui_adapter.sign_in.ledger import Ledger
from yamcp_ui_adapter.sign_in.principals import Holder, Principals
from yamcp_ui_adapter.sign_in.redirects import is_registered, redirect_fault, same_resource
from yamcp_ui_adapter.sign_in.refreshes import Verdict, verdict
from yamcp_ui_adapter.sign_in.reports import Reports
from yamcp_ui_adapter.sign_in.state import Lifetimes, ended


class Authorization:
    """`workspaces` returns the names of all workspaces."""

    def __init__(
        self,
        ledger: Ledger,
        principals: Principals,
        reports: Reports,
        lifetimes: Lifetimes,
        workspaces: Callable[[], Collection[str]],
    ) -> None:
        self._ledger = ledger
        self._principals = principals
        self._reports = reports
        self._lifetimes = lifetimes
        self._workspaces = workspaces
        self.codes = Codes()

    def handlers(self) -> Handlers:
        """Return the handlers of the requests on the desired socket."""
        return {
            RegisterClient: self.register,
            FindClient: self.find_client,
            IssueCode: self.issue,
            RedeemCode: self.redeem,
            RefreshGrant: self.refresh,
            RevokeToken: self.revoke,
        }

    # --- Clients ------------------------------------------------------------------------------------------------------

    async def register(self, body: RegisterClient) -> ClientRegistered:
        """Register a client. Raises ClientInvalid, TooManyClients, DataDirUnusable: nothing was stored."""
        self._ledger.follow()
        client, records = self._ledger.state.clients.register(body, self._ledger.now())
        self._ledger.commit(records)
        return ClientRegistered(id=client.id, issued_at=int(client.at))

    async def find_client(self, body: FindClient) -> OAuthClient:
        """Return a registered client. Raises NoSuchClient."""
        self._ledger.follow()
        return OAuthClient(**self._client(body.id).model_dump(exclude={"t"}))

    def _client(self, client: str) -> ClientRecord:
        found = self._ledger.state.clients.find(client, self._ledger.now())
        if found is None:
            raise NoSuchClient(f"The OAuth client {client!r} is not registered, or its registration has expired.")
        return found

    # --- Codes --------------------------------------------------------------------------------------------------------

    async def issue(self, body: IssueCode) -> CodeIssued:
        """Make an authorization code.

        Raises:
            NoSuchClient, ClientInvalid: the client is unknown, or may not use that redirect URI.
            PrincipalUnknown, WorkspaceGone: the principal does not exist, or may not use the workspace.
            DataDirUnusable: the use of the client cannot be stored.
        """
        self._ledger.follow()
        self._check_redirect(body)
        holder = self._holder(body.principal, body.workspace)
        now = self._ledger.now()
        self._ledger.commit(self._ledger.state.clients.use(body.client, now))
        return CodeIssued(code=self.codes.issue(body, holder.mark, now))

    def _check_redirect(self, body: IssueCode) -> None:
        if (
            body.client.startswith(("https://", "http://"))
            and self._ledger.state.clients.find(body.client, 0.0) is None
        ):
            fault = redirect_fault(body.redirect_uri)  # the front has compared it with the client's document
            if fault:
                raise ClientInvalid(f"The redirect URI cannot be used: {fault}.", oauth="invalid_request")
        elif not is_registered(body.redirect_uri, self._client(body.client).redirect_uris):
            raise ClientInvalid("The client has not registered this redirect URI.", oauth="invalid_request")

    def _holder(self, principal: str, workspace: str) -> Holder:
        holder = self._principals.find(principal)
        if holder is None:
            raise PrincipalUnknown(f"There is no key or user {principal!r} any more.")
        if workspace not in self._workspaces():
            raise WorkspaceGone(f"There is no workspace {workspace!r}.")
        if holder.workspaces is not None and workspace not in holder.workspaces:
            raise WorkspaceGone(f"{holder.name!r} may not use the workspace {workspace!r}.")
        return holder

    # --- Tokens -------------------------------------------------------------------------------------------------------

    async def redeem(self, body: RedeemCode) -> Tokens:
        """Exchange a code for tokens. Any attempt uses it up; one that was used before ends its grant.

        Raises:
            GrantInvalid: no token was issued.
            PrincipalUnknown, WorkspaceGone: the principal or the workspace is gone since.
            DataDirUnusable: nothing has changed.
        """
        self._ledger.follow()
        code, now = self.codes.find(body.code), self._ledger.now()
        try:
            check(code, body, now)
            self._check_mark(code)
        except GrantInvalid:
            code.used = True
            self._end(code.grant, "replayed", "its authorization code was used again")
            raise
        made = self._ledger.state.redeem(code, self._lifetimes, now)
        self._ledger.commit(made.records)
        code.used, code.grant = True, made.tokens.grant
        self._reports.made(self._ledger.state.credentials.grants[made.tokens.grant])
        return made.tokens

    def _check_mark(self, code: IssuedCode) -> None:
        if self._holder(code.asked.principal, code.asked.workspace).mark != code.mark:
            raise GrantInvalid("The key that allowed this has another token since.")
        if code.asked.login and code.asked.login not in self._ledger.state.credentials.logins:
            raise GrantInvalid("The browser login in which this was allowed has ended since.")

    async def refresh(self, body: RefreshGrant) -> Tokens:
        """Exchange a refresh token for new tokens. One that was used before, but for the grace, ends its grant.

        Raises:
            GrantInvalid: no token was issued.
            DataDirUnusable: nothing has changed.
        """
        self._ledger.follow()
        token, now = self._refreshable(body), self._ledger.now()
        grant = self._ledger.state.credentials.grants[token.grant]
        if body.resource and grant.resource and not same_resource(body.resource, grant.resource):
            raise GrantInvalid("The grant is for another resource.", oauth="invalid_target")
        if not set(body.scopes) <= set(grant.scopes):
            raise GrantInvalid("The grant does not have all of these scopes.", oauth="invalid_scope")
        found = verdict(token, self._ledger.state.refreshes.family(grant.id), now)
        if found is Verdict.REPLAYED:
            self._end(grant.id, "replayed", "a refresh token was used again, so it was copied")
            raise GrantInvalid("The refresh token was used before, so its grant has ended.")
        if found is Verdict.EXPIRED or self._principals.has_ended(grant):
            raise GrantInvalid("The refresh token has expired, or its key or user is gone.")
        if found is Verdict.TOO_OFTEN:
            raise GrantInvalid("The refresh token was used too often at once.")
        made = self._ledger.state.refresh(token, body.scopes, self._lifetimes, now)
        self._ledger.commit(made.records)
        return made.tokens

    def _refreshable(self, body: RefreshGrant) -> RefreshRecord:
        token = self._ledger.state.refreshes.find(token_hash(body.refresh_token))
        if token is None:
            raise GrantInvalid("The refresh token is unknown, or its grant has ended.")
        if self._ledger.state.credentials.grants[token.grant].client != body.client:
            raise GrantInvalid("The refresh token was issued to another client.")
        return token

    async def revoke(self, body: RevokeToken) -> Done:
        """End the grant of a token, if there is one and the client may. Raises DataDirUnusable."""
        self._ledger.follow()
        state, hashed = self._ledger.state, token_hash(body.token)
        refresh = state.refreshes.find(hashed)
        grant = refresh.grant if refresh else state.credentials.grant_of_token(hashed)
        if grant and body.client in ("", state.credentials.grants[grant].client):
            self._end(grant, "signed_out", "its client gave it back")
        return Done()

    def _end(self, grant: str, why: EndReason, detail: str) -> None:
        found = self._ledger.state.credentials.grants.get(grant)
        if found is not None:
            self._ledger.commit(ended([grant], why))
            self._reports.ended([found], why, detail)
