"""Makes the authentication of a protected hub, of what its settings and files say."""

from __future__ import annotations

from bridge.credentials.journal import Journal
from bridge.credentials.records import JOURNAL_FILE
from bridge.keys import Keyring
from bridge.settings import Settings
from sidecar.access.authenticator import Authentication, TokenKind
from sidecar.access.opaque import OpaqueTokens


def authentication(settings: Settings, keyring: Keyring) -> Authentication:
    """Keys; access tokens of the hub's own authorization server, and JWTs of an external one, if they are wanted."""
    kinds: list[TokenKind] = []
    if settings.oauth:
        journal = Journal(settings.data_dir / JOURNAL_FILE)
        kinds.append(OpaqueTokens(journal, keyring, every_user=not settings.jwt_issuer))
    if settings.jwt_issuer:
        from sidecar.access.jwt_tokens import JwtTokens  # noqa: PLC0415 - most hubs never need it

        kinds.append(JwtTokens(settings))
    return Authentication(keyring, *kinds)
