"""Who of the users is known to have been removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.keys import Keyring
from bridge.settings import Settings
from sidecar.access.build import authentication
from tests.support.grants import Grants


@pytest.mark.parametrize("issuer", ["", "https://login.example"])
def test_only_users_that_are_known(tmp_path: Path, issuer: str) -> None:
    """Users of an external authorization server are in no file, so that one who is unknown may be one of them."""
    grants = Grants(tmp_path)
    ada, eve, unknown = grants.user("ada"), grants.user("eve"), f"u{7:015x}"
    given = Settings(data_dir=tmp_path, host="0.0.0.0", jwt_issuer=issuer or None, jwt_audience="hub" if issuer else "")
    checks = authentication(given, Keyring(given))
    grants.end_user("ada")
    checks.refresh()
    found = [checks.has_removed(each) for each in (ada, eve, unknown, "k0000001", "admin", "")]
    assert found == [True, False, not issuer, False, False, False]
