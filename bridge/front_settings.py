"""The front's settings, which `hubctl run` passes to it as one JSON value in an environment variable.

The front does not parse HUB_* variables itself: their meaning and defaults are defined in `bridge.settings` only.
`python -m bridge.front_settings` prints the value for the current settings, to start a front without `hubctl run`.
"""

from __future__ import annotations

import sys
from ipaddress import ip_network
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from bridge.errors import SettingInvalid
from bridge.keys import token_hash
from bridge.models import Model
from bridge.settings import Settings, listed, load

VARIABLE = "YAMCP_HUB_FRONT_SETTINGS"
"""The name of the environment variable."""
COOKIE_KEY_FILE = "cookie.key"
"""In HUB_DATA_DIR: the key that signs cookies of logins, 32 bytes. The front creates it, unless replicas have one in
common."""


class _Camel(Model):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class TlsFiles(_Camel):
    """Paths of the PEM files of certificate and key."""

    cert: str
    key: str


class BridgeAddresses(_Camel):
    """The addresses at which the adapter, the sidecar and the recorder serve the bridge."""

    desired: str
    actual: str
    events: str
    desired_events: str
    records: str | None
    """None: the hub keeps no history (HUB_HISTORY)."""


class OidcClient(_Camel):
    """How users sign in at an OpenID Connect provider (`bridge.settings.oidc`)."""

    issuer: str
    client_id: str
    client_secret_file: str | None
    """None: a public client."""
    client_auth: Literal["basic", "post"]
    name: str
    """Of the provider, on the sign-in button."""
    scopes: str
    groups_claim: str
    roles_claim: str
    email_rule: Literal["email_verified", "xms_edov", "always"]
    """The claim that must be true for an e-mail address to count; `always`: none."""
    asks_userinfo: bool
    """Claims that the ID token lacks are requested from the userinfo endpoint."""
    domains: tuple[str, ...]
    """Domains whose users may sign in, in lower case; empty: everybody."""
    session_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """The settings; None if none are set."""
        if not settings.oidc:
            return None
        provider = settings.oidc_provider
        issuer = settings.oidc_issuer or provider.issuer
        secret = settings.oidc_secret_file if settings.oidc_client_secret else settings.oidc_client_secret_file
        return cls(
            issuer=issuer,
            client_id=settings.oidc_client_id,
            client_secret_file=str(secret) if secret else None,
            client_auth=provider.client_auth,
            name=settings.oidc_name or provider.label or str(urlsplit(issuer).hostname),
            scopes=settings.oidc_scopes or provider.scopes,
            groups_claim=settings.oidc_groups_claim or provider.groups_claim,
            roles_claim=settings.oidc_roles_claim or provider.roles_claim,
            email_rule="always" if settings.oidc_trust_email else provider.email_rule,
            asks_userinfo=provider.asks_userinfo,
            domains=tuple(listed(settings.oidc_domains)),
            session_seconds=settings.oidc_session_hours * 3600,
        )


class FrontSettings(_Camel):
    """The settings. Sizes in bytes, times in seconds, URLs without trailing slash, absolute paths. No secrets."""

    host: str
    """An address without brackets, or localhost."""
    port: int
    sidecar_port: int
    public_url: str | None
    allowed_hosts: tuple[str, ...]
    """In lower case."""
    data_dir: str
    runtime_dir: str
    yamcp_dir: str
    yamcp_ui_dir: str | None
    max_body_bytes: int
    log_level: str
    ping_interval: float
    base_url: str
    sidecar_url: str
    addresses: BridgeAddresses
    protected: bool
    """All routes but /healthz and the login page require a token; the sidecar listens on its socket, not its port."""
    token_hash: str | None
    """The hash of HUB_TOKEN; if it is set, the token file is ignored."""
    token_file: str
    keys_file: str
    cookie_key_file: str
    front_key_file: str
    spool: str | None
    """The directory in which it leaves sign-ins for the recorder; None: the hub keeps no history."""
    spool_max_bytes: int
    sidecar_socket: str
    own_socket: str | None
    """Where it listens in place of its port: behind the acceptor."""
    yamcp_ui_socket: str
    tls: TlsFiles | None
    trusted_proxies: tuple[str, ...]
    """Networks in CIDR notation: `10.0.0.0/8`."""
    replica: bool
    """The hub is a replica behind a load balancer (HUB_REPLICA)."""
    hands_over: bool
    """Its sidecar hands requests to other replicas while it stops (HUB_REPLICAS)."""
    stop_timeout: float
    """How long requests for endpoints that are in progress may go on when the front stops."""
    oidc: OidcClient | None
    """None: users cannot sign in at a provider."""
    journal_file: str
    """The journal of credentials (`bridge/credentials/`), with users and browser logins."""
    roles_file: str
    """The roles that access.json gives, as the adapter has applied them."""
    oauth: bool
    """The hub is an authorization server for MCP clients (HUB_OAUTH): it is protected, and this is not switched off."""
    oauth_loopback_clients: bool
    jwt_issuer: str | None
    """The external authorization server whose tokens clients present instead (HUB_JWT_ISSUER)."""
    jwt_scopes: tuple[str, ...]
    """The scopes that its tokens need."""

    @classmethod
    def of(cls, settings: Settings, *, behind_acceptor: bool = False) -> Self:
        """The front's part of the settings; `behind_acceptor`: another process has the public port."""
        tls = TlsFiles(cert=str(settings.tls_cert), key=str(settings.tls_key)) if settings.tls_cert else None
        given = settings.token.get_secret_value() if settings.token else None
        return cls(
            host=settings.host.strip("[]"),
            port=settings.port,
            sidecar_port=settings.sidecar_port,
            public_url=settings.public_url,
            allowed_hosts=tuple(name.lower() for name in listed(settings.allowed_hosts)),
            data_dir=str(settings.data_dir),
            runtime_dir=str(settings.runtime),
            yamcp_dir=str(settings.yamcp_dir),
            yamcp_ui_dir=str(settings.yamcp_ui_dir) if settings.yamcp_ui_dir else None,
            max_body_bytes=settings.max_body_bytes,
            log_level=settings.log_level,
            ping_interval=settings.ping_interval,
            base_url=settings.base_url,
            sidecar_url=settings.sidecar_url,
            addresses=BridgeAddresses(
                desired=settings.desired_address,
                actual=settings.actual_address,
                events=settings.events_address,
                desired_events=settings.desired_events_address,
                records=settings.records_address if settings.history else None,
            ),
            protected=settings.protected,
            token_hash=token_hash(given) if given else None,
            token_file=str(settings.token_file or settings.own_token_file),
            keys_file=str(settings.keys_file),
            cookie_key_file=str(settings.data_dir / COOKIE_KEY_FILE),
            front_key_file=str(settings.front_key_file),
            spool=str(settings.spool_dir) if settings.history else None,
            spool_max_bytes=settings.spool_max_mb * 1024 * 1024,
            sidecar_socket=str(settings.sidecar_socket),
            own_socket=str(settings.front_socket) if behind_acceptor else None,
            yamcp_ui_socket=str(settings.yamcp_ui_socket),
            tls=tls,
            trusted_proxies=tuple(str(ip_network(item, strict=False)) for item in listed(settings.trusted_proxies)),
            replica=bool(settings.replica),
            hands_over=bool(settings.replicas),
            stop_timeout=settings.stop_timeout,
            oidc=OidcClient.of(settings),
            journal_file=str(settings.data_dir / "credentials.jsonl"),
            roles_file=str(settings.data_dir / "access.applied.json"),
            oauth=settings.protected and settings.oauth,
            oauth_loopback_clients=settings.oauth_loopback_clients,
            jwt_issuer=settings.jwt_issuer,
            jwt_scopes=tuple(listed(settings.jwt_scopes)),
        )

    def value(self) -> str:
        """The value of the environment variable."""
        return self.model_dump_json(by_alias=True)


def main() -> int:
    """Print the value for the current settings; if one is invalid, an error on stderr (exit status 2)."""
    try:
        value = FrontSettings.of(load()).value()
    except SettingInvalid as error:
        sys.stderr.write(f"{error.code}: {error.message} {error.hint}\n")
        return 2
    sys.stdout.write(f"{value}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
