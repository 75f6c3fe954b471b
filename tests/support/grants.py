"""The journal of credentials, written as the adapter writes it: for tests in which there is no adapter."""

from __future__ import annotations

import base64
import itertools
import secrets
import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.credentials.records import (
    ACCESS,
    JOURNAL_FILE,
    AnyRecord,
    GrantEnd,
    GrantRecord,
    Head,
    TokenRecord,
    UserEnd,
    UserRecord,
    line_of,
    mark_of,
    user_id,
)
from bridge.keys import token_hash
from bridge.models import IssueCode, RedeemCode, RegisterClient, Tokens

if TYPE_CHECKING:
    from tests.support.hub import Hub

ISSUER = "https://id.example"


class Grants:
    """credentials.jsonl of a hub. Times are Unix times; a token is good for an hour unless it is said otherwise."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / JOURNAL_FILE
        self._numbers = itertools.count(1)
        self.path.touch(mode=0o600)
        self.write(Head(id=secrets.token_hex(8)))

    def write(self, *records: AnyRecord) -> None:
        """Append records."""
        with self.path.open("ab") as file:
            file.write(b"".join(map(line_of, records)))

    def user(self, name: str, groups: Iterable[str] = (), roles: Iterable[str] = ()) -> str:
        """A user signs in; returns its id."""
        made = user_id(ISSUER, name)
        email = f"{name.capitalize()}@Example.com"
        record = UserRecord(
            id=made, issuer=ISSUER, sub=name, name=name, email=email, groups=tuple(groups), roles=tuple(roles), at=1.0
        )
        self.write(record)
        return made

    def of_user(self, name: str, workspace: str = "w", scopes: Iterable[str] = ("mcp",)) -> str:
        """A user allows a client a workspace; returns the grant's id."""
        return self._grant(user_id(ISSUER, name), workspace, "", scopes)

    def of_key(self, key_token: str, key: str, workspace: str = "w", scopes: Iterable[str] = ("mcp",)) -> str:
        """The holder of a key, or of the hub's token (`admin`), allows a client a workspace; returns the grant's id."""
        return self._grant(key, workspace, mark_of(token_hash(key_token)), scopes)

    def _grant(self, principal: str, workspace: str, mark: str, scopes: Iterable[str]) -> str:
        made = f"g{next(self._numbers):016x}"
        record = GrantRecord(
            id=made,
            client="c0123456789abcdef",
            client_name="agent",
            principal=principal,
            workspace=workspace,
            scopes=tuple(scopes),
            at=time.time(),
            mark=mark,
        )
        self.write(record)
        return made

    def token(self, grant: str, until: float | None = None) -> str:
        """Issue an access token, as at a refresh; returns it."""
        token = ACCESS + secrets.token_urlsafe(32)
        self.write(TokenRecord(hash=token_hash(token), grant=grant, until=until or time.time() + 3600))
        return token

    def end(self, grant: str) -> None:
        """End a grant."""
        self.write(GrantEnd(id=grant))

    def end_user(self, name: str) -> None:
        """Remove a user."""
        self.write(UserEnd(id=user_id(ISSUER, name)))


REDIRECT = "http://127.0.0.1/callback"


async def allowed_client(hub: Hub, principal: str, workspace: str = "w") -> Tokens:
    """The tokens of a client that a principal has allowed a workspace, of the adapter of a hub that runs."""
    ask = hub.desired.request
    client = (await ask(RegisterClient(name="agent", redirect_uris=(REDIRECT,)), timeout=100)).id
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    issued = await ask(
        IssueCode(
            client=client,
            client_name="agent",
            redirect_uri=REDIRECT,
            challenge=challenge,
            workspace=workspace,
            scopes=("mcp",),
            principal=principal,
        ),
        timeout=100,
    )
    redeemed = RedeemCode(code=issued.code, client=client, redirect_uri=REDIRECT, verifier=verifier)
    return await ask(redeemed, timeout=100)
