"""Users of an identity provider who come by the hub's own authorization server, and by JWTs of the provider."""

from __future__ import annotations

from pathlib import Path

from bridge.credentials.journal import Journal
from bridge.keys import Keyring, Principal
from bridge.settings import Settings
from sidecar.access.authenticator import Authentication
from sidecar.access.credential import owner_of
from sidecar.access.jwks import KeySet
from sidecar.access.jwt_tokens import MARK, JwtTokens
from sidecar.access.opaque import OpaqueTokens
from tests.support.grants import ISSUER, Grants
from tests.support.jwts import Issuer


def test_a_grant_that_was_ended(tmp_path: Path) -> None:
    """Only its own server says whether it goes on, not the external one, although its user is one of that, too."""
    settings = Settings(data_dir=tmp_path, jwt_issuer=ISSUER)
    grants, keyring = Grants(tmp_path), Keyring(settings)
    grants.user("ada")
    grant = grants.of_user("ada")
    token = grants.token(grant)
    opaque = OpaqueTokens(Journal(grants.path), keyring)
    both = Authentication(keyring, opaque, JwtTokens(settings, KeySet(settings, Issuer().fetch)))
    found = both.check(token)
    assert found is not None
    assert both.current(found.principal) is not None
    grants.end(grant)
    both.refresh()
    assert both.current(found.principal) is None


def test_users_of_both(tmp_path: Path) -> None:
    """Each has the groups with which it came, whatever the other server says; and ends with its own."""
    settings = Settings(data_dir=tmp_path, jwt_issuer=ISSUER)
    grants, keyring = Grants(tmp_path), Keyring(settings)
    ada = grants.user("ada", groups=("ops",))
    both = Authentication(
        keyring,
        OpaqueTokens(Journal(grants.path), keyring),
        JwtTokens(settings, KeySet(settings, Issuer().fetch)),
    )
    of_jwt = Principal(ada, "ada", mark=MARK, subjects=frozenset({"group:dev"}), grant="j0123456789abcdef")
    of_hub = Principal(ada, "ada", subjects=frozenset({"group:former"}))
    for principal in (of_jwt, owner_of(of_jwt)):
        assert both.current(principal) == principal
    now = both.current(of_hub)
    assert now is not None
    assert "group:ops" in now.subjects
    grants.end_user("ada")
    both.refresh()
    assert both.current(of_hub) is None
    assert both.current(of_jwt) == of_jwt
