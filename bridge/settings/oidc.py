"""The settings of signing in at an OpenID Connect provider (docs/sign-in.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Protocol, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

Preset = Literal["entra", "google", "keycloak", "okta"]
EmailRule = Literal["email_verified", "xms_edov"]
"""The claim that must be true for an e-mail address to count: OpenID Connect's, or Microsoft Entra's (`xms_edov`: the
owner of the address's domain was verified)."""

SCOPES = "openid profile email"
MAX_SCOPE_LENGTH = 1000
MAX_SESSION_HOURS = 720
_SCOPE = re.compile(r"[!#-\[\]-~]+")  # RFC 6749, section 3.3
_SECRET = re.compile(r"[ -~]{1,4096}")
_TENANT = re.compile(r"/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/v2\.0", re.IGNORECASE)
_REALM = re.compile(r"(/[^/]+)*/realms/[^/]+")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+")


class Places(Protocol):
    """The directories of the hub, which `Settings` has."""

    @property
    def runtime(self) -> Path:
        """The runtime directory."""


@dataclass(frozen=True)
class Provider:
    """How one make of provider differs from the standard."""

    label: str
    """The name on the sign-in button; empty: the issuer's host."""
    issuer: str = ""
    """The issuer that all its customers share; empty: each has its own."""
    scopes: str = SCOPES
    groups_claim: str = "groups"
    roles_claim: str = "roles"
    email_rule: EmailRule = "email_verified"
    client_auth: Literal["basic", "post"] = "basic"
    """How the client secret goes to the token endpoint, if the provider supports both (RFC 6749, section 2.3.1)."""
    wants_secret: bool = False
    asks_userinfo: bool = True
    """Whether claims that the ID token lacks are requested from the userinfo endpoint."""


STANDARD = Provider("")
PROVIDERS: dict[Preset, Provider] = {
    # Its userinfo endpoint has neither groups nor roles. No address is verified by email_verified.
    "entra": Provider("Microsoft", email_rule="xms_edov", client_auth="post", wants_secret=True, asks_userinfo=False),
    # There are no groups; `hd` is the domain of the organisation that an account belongs to.
    "google": Provider(
        "Google", "https://accounts.google.com", groups_claim="hd", client_auth="post", wants_secret=True
    ),
    "keycloak": Provider("Keycloak", roles_claim="realm_access.roles"),
    "okta": Provider("Okta", scopes=f"{SCOPES} groups"),
}


class OidcSettings(BaseSettings):
    """A part of `bridge.settings.Settings`."""

    oidc_issuer: str | None = Field(
        None, description="Issuer of the OpenID Connect provider at which users sign in; none: by token or key only."
    )
    oidc_preset: Preset | None = Field(
        None, description="Make of the provider, for what differs: entra, google, keycloak or okta; none: the standard."
    )
    oidc_client_id: str = Field("", max_length=256, description="Id of the hub as a client of the provider.")
    oidc_client_secret: SecretStr | None = Field(None, description="Secret of that client; none: a public client.")
    oidc_client_secret_file: Path | None = Field(None, description="File with that secret, in its place.")
    oidc_scopes: str = Field("", description="Scopes (separated by spaces) that the hub requests.")
    oidc_name: str = Field("", max_length=64, description="Name of the provider on the sign-in button.")
    oidc_groups_claim: str = Field("", max_length=256, description="Claim with the groups of a user.")
    oidc_roles_claim: str = Field("", max_length=256, description="Claim with the roles of a user.")
    oidc_domains: str = Field(
        "", description="Domains (comma-separated) whose users may sign in; none: everybody whom the provider lets in."
    )
    oidc_trust_email: bool = Field(
        False, description="Whether e-mail addresses count that the provider does not mark as verified."
    )
    oidc_session_hours: float = Field(
        12,
        gt=0,
        le=MAX_SESSION_HOURS,
        allow_inf_nan=False,
        description="Hours after which a user has to sign in again; so old are groups and roles at most.",
    )

    @field_validator("oidc_client_secret_file")
    @classmethod
    def _absolute_secret(cls, value: Path | None) -> Path | None:
        return value.expanduser().absolute() if value else value

    @field_validator("oidc_client_secret")
    @classmethod
    def _visible(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _SECRET.fullmatch(value.get_secret_value()):
            raise ValueError("a client secret is at most 4096 visible ASCII characters")  # RFC 6749, appendix A.2
        return value

    @field_validator("oidc_client_id", "oidc_name", "oidc_groups_claim", "oidc_roles_claim")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if value.strip() != value or not value.isprintable():
            raise ValueError(f"{value!r} has spaces around it, or control characters")
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str | None) -> str | None:
        if value is not None:
            check_issuer(value)
        return value

    @field_validator("oidc_scopes")
    @classmethod
    def _scopes(cls, value: str) -> str:
        words = value.split()
        if wrong := [word for word in words if not _SCOPE.fullmatch(word)]:
            raise ValueError(f"{wrong[0]!r} is not a scope")
        if words and "openid" not in words:
            raise ValueError("the scope 'openid' is missing, without which a provider does not say who signs in")
        if len(value) > MAX_SCOPE_LENGTH:
            raise ValueError(f"it is longer than {MAX_SCOPE_LENGTH} characters")
        return " ".join(words)

    @field_validator("oidc_domains")
    @classmethod
    def _domains(cls, value: str) -> str:
        domains = [word.strip().lower() for word in value.split(",") if word.strip()]
        if wrong := [domain for domain in domains if not _LABEL.fullmatch(domain)]:
            raise ValueError(f"{wrong[0]!r} is not a domain such as example.com")
        return ",".join(domains)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.oidc:
            self._check_nothing_else()
            return self
        if not self.oidc_client_id:
            raise ValueError("HUB_OIDC_CLIENT_ID is missing: the id that the provider has given the hub")
        if self.oidc_client_secret and self.oidc_client_secret_file:
            raise ValueError("HUB_OIDC_CLIENT_SECRET and HUB_OIDC_CLIENT_SECRET_FILE are both set; keep one")
        secret = self.oidc_client_secret or self.oidc_client_secret_file
        if self.oidc_provider.wants_secret and not secret:
            raise ValueError(f"HUB_OIDC_CLIENT_SECRET is missing, which {self.oidc_provider.label} wants of a client")
        if (known := self.oidc_provider.issuer) and self.oidc_issuer not in (None, known, f"{known}/"):
            raise ValueError(f"HUB_OIDC_ISSUER: with the preset {self.oidc_preset} it is {known}; leave it out")
        check_preset(self.oidc_preset, urlsplit(self.oidc_issuer or ""))
        return self

    def _check_nothing_else(self) -> None:
        for name, field in OidcSettings.model_fields.items():
            if getattr(self, name) != field.default:
                raise ValueError(f"HUB_{name.upper()} is set without HUB_OIDC_ISSUER, so nobody could sign in")

    @property
    def oidc(self) -> bool:
        """Whether users can sign in at a provider."""
        return self.oidc_issuer is not None or bool(self.oidc_provider.issuer)

    @property
    def oidc_provider(self) -> Provider:
        """What the preset says of the provider."""
        return PROVIDERS[self.oidc_preset] if self.oidc_preset else STANDARD

    @property
    def oidc_secret_file(self: Places) -> Path:
        """The file in which `hubctl run` hands the front HUB_OIDC_CLIENT_SECRET."""
        return self.runtime / "oidc.secret"


def check_issuer(text: str) -> None:
    """Check the form of an issuer (OpenID Connect Discovery 1.0, section 2). Raises ValueError."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("it is not an address that begins with https://, and a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it has a user name or password, which no issuer has")
    if "/.well-known/" in parts.path:
        raise ValueError("it is the address of the provider's metadata; the issuer is the part before /.well-known/")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("it begins with http://, so anybody on the network could sign in as anybody; use https://")


def check_preset(preset: Preset | None, issuer: SplitResult) -> None:
    """Check that an issuer is one of the preset's make. Raises ValueError."""
    if preset == "entra" and not _TENANT.fullmatch(issuer.path):
        raise ValueError(
            "HUB_OIDC_ISSUER: the issuer of Microsoft Entra is https://login.microsoftonline.com/TENANT-ID/v2.0, "
            "with the directory (tenant) id in the place of 'common', which would let in users of any organisation"
        )
    if preset == "keycloak" and not _REALM.fullmatch(issuer.path.rstrip("/")):
        raise ValueError("HUB_OIDC_ISSUER: the issuer of Keycloak is https://HOST/realms/REALM")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
