"""Tells the history and the log of grants and users that begin or end (docs/history.md)."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from contextvars import Token

from bridge.author import ASKED, Asked, Author
from bridge.credentials.records import EndReason, GrantRecord, UserRecord
from bridge.models import EndGrant
from yamcp_ui_adapter.sign_in.principals import Principals

log = logging.getLogger(__name__)

OnChange = Callable[[str, str], None]
"""Called with the subject of a change, and its diff."""


class Reports:
    """`on_change` writes a change of the present request into the history."""

    def __init__(self, principals: Principals, on_change: OnChange) -> None:
        self._principals = principals
        self._on_change = on_change

    def made(self, grant: GrantRecord) -> None:
        """A principal has allowed a client something; the client's request says not who."""
        name = self._principals.name(grant.principal)
        log.info("grant made", extra={"grant": grant.id, "client": grant.client, "principal": grant.principal})
        with _asked_by(name):
            self._on_change(grant.client_name or grant.client, f"+ {self._text(grant)}\n")

    def ended(self, grants: Iterable[GrantRecord], why: EndReason, detail: str = "") -> None:
        """Grants have ended, on request or by themselves."""
        for grant in grants:
            fields = {"grant": grant.id, "client": grant.client, "principal": grant.principal, "why": detail or why}
            log.log(logging.WARNING if why == "replayed" else logging.INFO, "grant ended", extra=fields)
            with contextlib.nullcontext() if ASKED.get().kind else _asked_by(""):
                self._on_change(grant.client_name or grant.client, f"- {self._text(grant)}: {detail or why}\n")

    def user_ended(self, user: UserRecord) -> None:
        """A user was removed."""
        log.info("user removed", extra={"user": user.id})
        self._on_change(user.name or user.email or user.id, f"- user {user.id} {user.name!r} of {user.issuer}\n")

    def _text(self, grant: GrantRecord) -> str:
        client = f"client {grant.client_name!r} at {grant.redirect_host}"
        owner = self._principals.name(grant.principal) or grant.principal
        return f"grant {grant.id} of {owner!r} for {client}, workspace {grant.workspace!r}"


@contextlib.contextmanager
def _asked_by(name: str) -> Iterator[None]:
    """Within the context, what is recorded was asked for by the principal with that name."""
    asked = ASKED.get()
    author = Author(principal=name[:128], source="console") if name else asked.author
    token: Token[Asked] = ASKED.set(Asked(asked.kind or EndGrant.kind, author))
    try:
        yield
    finally:
        ASKED.reset(token)
