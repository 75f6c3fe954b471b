"""Users of an identity provider who come by the hub's own authorization server, and by JWTs of the provider."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bridge.credentials.journal import Journal
from bridge.credentials.records import user_id
from bridge.keys import Keyring, Principal
from bridge.settings import Settings
from sidecar.access.authenticator import Authentication
from sidecar.access.jwks import KeySet
from sidecar.access.jwt_tokens import JwtTokens
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
    ada = user_id(ISSUER, "ada")
    of_jwt = Principal(ada, "ada", claims={"issuer": ISSUER}, grant="j0123456789abcdef")
    for principal in (of_jwt, replace(of_jwt, grant="")):
        assert both.current(principal) is not None
