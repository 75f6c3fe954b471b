"""bridge.settings.oidc: what is set for the sign-in at an OpenID provider, and what the front is handed of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.front_settings import FrontSettings
from bridge.settings import Settings
from bridge.settings.oidc import PROVIDERS

ISSUER = "https://id.example.com/realms/main"
TENANT = "https://login.microsoftonline.com/0a1b2c3d-0000-1111-2222-333344445555/v2.0"


def made(directory: Path, **given: Any) -> Settings:
    """Settings in a directory."""
    return Settings(data_dir=directory, yamcp_dir=directory / "yamcp", **given)


def client(directory: Path, **given: Any) -> dict[str, Any]:
    """What the front is handed."""
    found = FrontSettings.of(made(directory, oidc_client_id="hub", **given)).oidc
    assert found is not None
    return found.model_dump()


def test_without_an_issuer_nobody_signs_in_at_a_provider(tmp_path: Path) -> None:
    """And a hub on loopback asks for no token, as ever."""
    settings = made(tmp_path)
    assert (settings.oidc, settings.protected) == (False, False)
    assert FrontSettings.of(settings).oidc is None


def test_with_an_issuer_loopback_is_protected_too(tmp_path: Path) -> None:
    """Else nobody would have to sign in."""
    assert made(tmp_path, oidc_issuer=ISSUER, oidc_client_id="hub").protected


def test_the_front_is_handed_all_of_it_and_no_secret(tmp_path: Path) -> None:
    """What is not set is that of the standard."""
    given = client(tmp_path, oidc_issuer=ISSUER, oidc_client_secret="s3cret-s3cret")
    assert given == {
        "issuer": ISSUER,
        "client_id": "hub",
        "client_secret_file": str(tmp_path / "run" / "oidc.secret"),
        "client_auth": "basic",
        "name": "id.example.com",
        "scopes": "openid profile email",
        "groups_claim": "groups",
        "roles_claim": "roles",
        "email_rule": "email_verified",
        "asks_userinfo": True,
        "domains": (),
        "session_seconds": 12 * 3600,
    }


def test_what_is_set_comes_before_the_preset(tmp_path: Path) -> None:
    """Each setting replaces that of the preset alone."""
    given = client(
        tmp_path,
        oidc_preset="google",
        oidc_client_secret_file=tmp_path / "secret",
        oidc_name="Example",
        oidc_scopes="openid  email",
        oidc_groups_claim="https://example.com/groups",
        oidc_domains=" Example.com, example.org ",
        oidc_trust_email=True,
        oidc_session_hours=0.5,
    )
    assert given == {
        "issuer": "https://accounts.google.com",
        "client_id": "hub",
        "client_secret_file": str(tmp_path / "secret"),
        "client_auth": "post",
        "name": "Example",
        "scopes": "openid email",
        "groups_claim": "https://example.com/groups",
        "roles_claim": "roles",
        "email_rule": "always",
        "asks_userinfo": True,
        "domains": ("example.com", "example.org"),
        "session_seconds": 1800,
    }


@pytest.mark.parametrize(
    ("preset", "issuer", "expected"),
    [
        ("entra", TENANT, {"name": "Microsoft", "email_rule": "xms_edov", "asks_userinfo": False}),
        ("google", None, {"name": "Google", "groups_claim": "hd", "email_rule": "email_verified"}),
        ("keycloak", ISSUER, {"name": "Keycloak", "roles_claim": "realm_access.roles"}),
        ("okta", "https://example.okta.com", {"name": "Okta", "scopes": "openid profile email groups"}),
    ],
)
def test_presets(tmp_path: Path, preset: str, issuer: str | None, expected: dict[str, Any]) -> None:
    """What each make of provider needs that differs from the standard."""
    given = client(tmp_path, oidc_preset=preset, oidc_issuer=issuer, oidc_client_secret="s")
    assert {name: given[name] for name in expected} == expected
    assert preset in PROVIDERS


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"oidc_client_id": "hub"}, "HUB_OIDC_CLIENT_ID is set without HUB_OIDC_ISSUER"),
        ({"oidc_client_secret": "s"}, "HUB_OIDC_CLIENT_SECRET is set without HUB_OIDC_ISSUER"),
        ({"oidc_issuer": ISSUER}, "HUB_OIDC_CLIENT_ID is missing"),
        ({"oidc_issuer": "id.example.com", "oidc_client_id": "hub"}, "begins with https://"),
        ({"oidc_issuer": "http://id.example.com", "oidc_client_id": "hub"}, "use https://"),
        ({"oidc_issuer": "https://a:b@id.example.com", "oidc_client_id": "hub"}, "user name or password"),
        ({"oidc_issuer": f"{ISSUER}?x=1", "oidc_client_id": "hub"}, "begins with https://"),
        ({"oidc_issuer": f"{ISSUER}/.well-known/openid-configuration", "oidc_client_id": "hub"}, "part before"),
        ({"oidc_issuer": ISSUER, "oidc_client_id": "hub", "oidc_preset": "entra"}, "HUB_OIDC_CLIENT_SECRET is missing"),
        (
            {
                "oidc_issuer": "https://login.microsoftonline.com/common/v2.0",
                "oidc_client_id": "hub",
                "oidc_client_secret": "s",
                "oidc_preset": "entra",
            },
            "users of any organisation",
        ),
        (
            {"oidc_issuer": ISSUER, "oidc_client_id": "hub", "oidc_client_secret": "s", "oidc_preset": "google"},
            "it is https://accounts.google.com",
        ),
        (
            {"oidc_issuer": "https://id.example.com", "oidc_client_id": "hub", "oidc_preset": "keycloak"},
            "https://HOST/realms/REALM",
        ),
        (
            {
                "oidc_issuer": ISSUER,
                "oidc_client_id": "hub",
                "oidc_client_secret": "s",
                "oidc_client_secret_file": "/x",
            },
            "are both set",
        ),
        ({"oidc_issuer": ISSUER, "oidc_client_id": "hub", "oidc_scopes": "profile"}, "scope 'openid' is missing"),
        ({"oidc_issuer": ISSUER, "oidc_client_id": "hub", "oidc_scopes": 'openid "x'}, "is not a scope"),
        ({"oidc_issuer": ISSUER, "oidc_client_id": "hub", "oidc_domains": "@example.com"}, "is not a domain"),
        ({"oidc_issuer": ISSUER, "oidc_client_id": "hub", "oidc_name": "a\nb"}, "control characters"),
        ({"oidc_issuer": ISSUER, "oidc_client_id": "hub", "oidc_client_secret": "s\u00e9"}, "visible ASCII"),
        ({"oidc_issuer": ISSUER, "oidc_client_id": "hub", "oidc_session_hours": 0}, "greater than 0"),
        ({"oidc_issuer": ISSUER, "oidc_client_id": "hub", "oidc_session_hours": 721}, "less than or equal to 720"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, given: dict[str, Any], why: str) -> None:
    """Before anything is started, with the name of the setting."""
    with pytest.raises(ValidationError) as caught:
        made(tmp_path, **given)
    assert why in str(caught.value)


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:9000", "http://localhost:9000/realms/x", "http://[::1]:9000"])
def test_a_provider_on_this_machine_needs_no_https(tmp_path: Path, issuer: str) -> None:
    """No network is between it and the hub."""
    assert made(tmp_path, oidc_issuer=issuer, oidc_client_id="hub").oidc
