"""An external authorization server in memory: its keys, its metadata, and the JWTs that it issues."""

from __future__ import annotations

import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

ISSUER = "https://id.example/tenant"
ANY = JWSRegistry(strict_check_header=False)
JWKS_URL = "https://id.example/keys"
METADATA_URL = f"{ISSUER}/.well-known/openid-configuration"


class Issuer:
    """It answers `fetch` as `jwks.fetch_json` would; `fetched` are the URLs that were asked for."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.fetched: list[str] = []
        self.away = False
        self.metadata: dict[str, Any] = {"issuer": ISSUER, "jwks_uri": JWKS_URL}
        self.add("one")

    def add(self, kid: str, kind: str = "EC") -> None:
        """Use a further key."""
        parameters: dict[str, Any] = {"kid": kid, "use": "sig"}
        self.keys[kid] = (
            ECKey.generate_key("P-256", parameters) if kind == "EC" else RSAKey.generate_key(2048, parameters)
        )

    async def fetch(self, url: str) -> Any:
        """The document at a URL."""
        self.fetched.append(url)
        if self.away:
            raise OSError("the issuer is away")
        if url == METADATA_URL:
            return self.metadata
        assert url == JWKS_URL
        return {"keys": [key.as_dict(private=False) for key in self.keys.values()]}

    def token(self, kid: str = "one", header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A JWT for user `ada` of client `agent`, good for an hour; claims of None are left out."""
        now = int(time.time())
        given = {"iss": ISSUER, "sub": "ada", "aud": "https://hub.example/mcp/w", "client_id": "agent"}
        given |= {"iat": now, "exp": now + 3600, "name": "Ada", "email": "Ada@Example.com", "groups": ["dev"]}
        given |= {"scope": "mcp"}
        body = {name: value for name, value in (given | claims).items() if value is not None}
        key = self.keys[kid]
        algorithm = "ES256" if key.key_type == "EC" else "RS256"
        head = {"alg": algorithm, "kid": kid, "typ": "at+jwt"} | (header or {})
        return jwt.encode({name: value for name, value in head.items() if value is not None}, body, key, registry=ANY)
