"""Whose account at a remote server a principal uses: its own, or the hub's."""

from __future__ import annotations

from bridge.keys import OWN_PRINCIPALS
from bridge.models import ServerSettings


def owner_of(principal: str) -> str:
    """The owner of the accounts of the principal with that id; empty for the hub."""
    return "" if principal in OWN_PRINCIPALS else principal


def account_owner(settings: ServerSettings, principal: str) -> str:
    """The owner of the account with which a principal uses a server of these settings; empty for the hub."""
    return "" if settings.sign_in == "shared" else owner_of(principal)
