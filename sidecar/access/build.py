"""Makes the authentication of a protected hub, of what its settings and files say."""

from __future__ import annotations

from bridge.credentials.journal import Journal
from bridge.credentials.records import JOURNAL_FILE
from bridge.keys import Keyring
from bridge.settings import Settings
from sidecar.access.authenticator import Authentication
from sidecar.access.opaque import OpaqueTokens


def authentication(settings: Settings, keyring: Keyring) -> Authentication:
    """Keys, and the access tokens of the hub's own authorization server."""
    return Authentication(keyring, OpaqueTokens(Journal(settings.data_dir / JOURNAL_FILE), keyring))
