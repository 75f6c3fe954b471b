"""Settings for an external authorization server, whose JWTs the endpoints accept (docs/oauth.md)."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
"""The algorithms that can be allowed: asymmetric signatures (RFC 7518, 3.1; RFC 8037; RFC 9864)."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_safe(url: str) -> bool:
    """Whether a URL is one of HTTPS, or of a loopback address."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))


class JwtSettings(BaseSettings):
    """A part of `bridge.settings.Settings`."""

    jwt_issuer: str | None = Field(
        None,
        description="Issuer (URL) of an external authorization server: clients get their tokens there, and the "
        "endpoints accept its JWTs. The hub then wants a token on loopback too.",
    )
    jwt_audience: str = Field(
        "",
        description="Audiences (comma-separated), one of which a JWT has to have; none: the URL of the endpoint.",
    )
    jwt_scopes: str = Field("", description="Scopes (comma-separated) that a JWT has to have.")
    jwt_jwks_url: str | None = Field(
        None, description="URL of the issuer's keys (JWKS); unset, the issuer's metadata says it."
    )
    jwt_algorithms: str = Field(
        "RS256,PS256,ES256,ES384,EdDSA",
        description="Signature algorithms (comma-separated) that a JWT may have; none with a shared secret.",
    )
    jwt_name_claim: str = Field("name", min_length=1, description="Claim of a JWT with the user's name.")
    jwt_email_claim: str = Field("email", min_length=1, description="Claim of a JWT with the user's e-mail address.")
    jwt_groups_claim: str = Field("groups", min_length=1, description="Claim of a JWT with the user's groups.")
    jwt_roles_claim: str = Field("roles", min_length=1, description="Claim of a JWT with the user's roles.")

    @field_validator("jwt_issuer", "jwt_jwks_url")
    @classmethod
    def _https(cls, value: str | None) -> str | None:
        if value is not None and not is_safe(value):
            raise ValueError(f"{value!r} is not an address that begins with https://")
        return value

    @field_validator("jwt_algorithms")
    @classmethod
    def _asymmetric(cls, value: str) -> str:
        names = [item.strip() for item in value.split(",") if item.strip()]
        if not names or (unknown := [name for name in names if name not in ALGORITHMS]):
            given = unknown[0] if names else value
            raise ValueError(f"{given!r} is none of {', '.join(sorted(ALGORITHMS))}")
        return value
