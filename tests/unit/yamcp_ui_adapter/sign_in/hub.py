"""Sign-in on a journal in a directory, with a clock that is set, and what a client does with it."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bridge.credentials import JOURNAL_FILE
from bridge.credentials.journal import Journal
from bridge.errors import HubError
from bridge.models import IssueCode, Model, RedeemCode, RefreshGrant, RegisterClient, Request, Tokens
from bridge.settings import Settings
from yamcp_ui_adapter.sign_in.service import SignIn

START = 1_760_000_000.0
URI = "https://client.example/callback"
RESOURCE = "https://hub.example/mcp/research"
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
HUB_TOKEN = "0123456789abcdef"

A = TypeVar("A", bound=Model)


class Hub:
    """A protected hub's sign-in, whose time stands; `adapter` restarts keep the files."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.settings = Settings(host="0.0.0.0", data_dir=directory, **settings)
        directory.mkdir(exist_ok=True)
        self.settings.own_token_file.write_text(HUB_TOKEN)
        self.path = directory / JOURNAL_FILE
        self.now = START
        self.workspaces = {"research", "lab"}
        self.changes: list[tuple[str, str]] = []
        self.fetched = 0
        self.sign_in = self.opened()

    def opened(self) -> SignIn:
        """Sign-in as another process would open it."""
        return SignIn.of(
            self.settings,
            lambda: self.workspaces,
            lambda subject, diff: self.changes.append((subject, diff)),
            self._fetch,
            lambda: self.now,
        )

    def restart(self) -> None:
        """The adapter is started anew."""
        self.sign_in.close()
        self.sign_in = self.opened()

    async def _fetch(self) -> None:
        self.fetched += 1

    def ask(self, body: Request[A]) -> A:
        """Send a request."""
        handler = self.sign_in.handlers()[type(body)]
        running = handler(body).__await__()
        try:
            next(running)
        except StopIteration as done:
            assert isinstance(done.value, body.answer)
            answer: A = done.value  # type: ignore[assignment]  # which is what the kind is answered with
            return answer
        raise AssertionError("no handler waits, so that none sees half of what another does")

    def refusal(self, body: Request[Any]) -> tuple[str, str]:
        """The code of the error with which a request is refused, and OAuth's code for it."""
        with pytest.raises(HubError) as caught:
            self.ask(body)
        return caught.value.code, caught.value.data.get("oauth_error", "")

    def reader(self) -> Journal:
        """What the sidecar knows now."""
        return Journal(self.path, now=lambda: self.now)

    def accepts(self, token: str) -> bool:
        """Whether a sidecar that starts now accepts the access token."""
        return self.reader().access(token) is not None

    def client(self, name: str = "Claude", *uris: str) -> str:
        """The id of a new client."""
        return self.ask(RegisterClient(name=name, redirect_uris=uris or (URI,))).id

    def code(self, client: str, **changes: Any) -> str:
        """A code for a client."""
        fields = {"client_name": "Claude", "redirect_uri": URI, "challenge": CHALLENGE, "workspace": "research"}
        fields |= {"scopes": ("mcp",), "principal": "admin", "resource": RESOURCE}
        return self.ask(IssueCode(client=client, **(fields | changes))).code

    def tokens(self, client: str, **changes: Any) -> Tokens:
        """The first tokens of a new grant."""
        return self.ask(redemption(self.code(client, **changes), client))

    def refresh(self, tokens: Tokens, client: str) -> Tokens:
        """New tokens for the refresh token of others."""
        return self.ask(RefreshGrant(refresh_token=tokens.refresh_token, client=client))


def redemption(code: str, client: str, **changes: Any) -> RedeemCode:
    """The request that redeems a code."""
    fields = {"redirect_uri": URI, "verifier": VERIFIER, "resource": RESOURCE}
    return RedeemCode(code=code, client=client, **(fields | changes))
