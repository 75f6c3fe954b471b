"""All settings of the hub, from environment variables `HUB_*` or the settings file; the environment has precedence."""

from __future__ import annotations

import io
import os
import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from dotenv.parser import parse_stream
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from bridge.errors import SettingInvalid
from bridge.settings.containers import EngineSettings
from bridge.settings.history import HistorySettings
from bridge.settings.jwt import JwtSettings
from bridge.settings.limits import LimitSettings
from bridge.settings.oauth import OAuthSettings
from bridge.settings.oidc import OidcSettings
from bridge.settings.requests import RequestSettings
from bridge.settings.services import ServiceSettings

UNIX_PATH_LIMIT = 107  # sun_path of unix(7), less the closing NUL
TOKEN = re.compile(r"[!-~]{16,512}")
"""The form of the hub's token, which has to fit into a header and into a URL."""
LONGEST_SOCKET_NAME = len("/supervisor.sock.4194304")  # supervisord binds its own under a name with its pid


def _xdg(variable: str, fallback: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / fallback)


def settings_file() -> Path:
    """The settings file: `HUB_SETTINGS_FILE`, else `hub.env` in the user's configuration directory."""
    named = os.environ.get("HUB_SETTINGS_FILE")
    return Path(named).expanduser() if named else _xdg("XDG_CONFIG_HOME", ".config") / "yamcp-hub" / "hub.env"


def settings_file_names() -> list[str]:
    """The names that the settings file sets; empty if there is no file.

    Raises:
        SettingInvalid: the file cannot be read, or has a line that is not `NAME=value`.
    """
    file, names = settings_file(), []
    try:
        text = file.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, UnicodeDecodeError) as error:
        why = "is not text in UTF-8" if isinstance(error, ValueError) else f"cannot be read: {error.strerror}"
        raise SettingInvalid(f"HUB_SETTINGS_FILE: {file} {why}.") from None
    for line in parse_stream(io.StringIO(text)):
        if line.error or (line.key and line.value is None):  # the text stays out of the message: it may be a secret
            raise SettingInvalid(f"HUB_SETTINGS_FILE: line {line.original.line} of {file} is not NAME=value.")
        names += [line.key] if line.key else []
    return names


class Settings(
    EngineSettings,
    HistorySettings,
    JwtSettings,
    LimitSettings,
    OAuthSettings,
    OidcSettings,
    RequestSettings,
    ServiceSettings,
):
    """The hub's settings. Sizes in bytes, times in seconds."""

    model_config = SettingsConfigDict(env_prefix="HUB_", env_ignore_empty=True, extra="ignore", frozen=True)

    host: str = Field(
        "127.0.0.1", description="Address that the hub listens on; beyond loopback everything wants a token."
    )
    port: int = Field(
        8765, ge=1, le=65535, description="Public port of the hub: its pages, its API and every endpoint."
    )
    sidecar_port: int = Field(8766, ge=1, le=65535, description="Port of the sidecar, which serves the endpoints.")
    yamcp_dir: Path = Field(
        default_factory=lambda: _xdg("XDG_DATA_HOME", ".local/share") / "yamcp-nodejs",
        description="YAMCP's data directory, with providers.json and workspaces.json.",
    )
    yamcp_ui_dir: Path | None = Field(
        None, description="A built YAMCP-UI (checkout or installed package), to be run and shown; none: the console."
    )
    data_dir: Path = Field(
        default_factory=lambda: _xdg("XDG_DATA_HOME", ".local/share") / "yamcp-hub",
        description="The hub's own data: hub.json, the last good state, logs.",
    )
    runtime_dir: Path | None = Field(
        None, description="Sockets and locks; `run` in the data directory unless set. One hub per directory."
    )
    seed_demo: bool = Field(
        True, description="Make a demo workspace on the very first start, if YAMCP has no files yet."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_stdout: bool = Field(
        False, description="Show warnings and errors of the hub's processes on stdout too, as `docker logs` has it."
    )
    public_url: str | None = Field(
        None, description="Address of the hub as browsers and clients see it, when it is not http://HUB_HOST:HUB_PORT."
    )
    allowed_hosts: str = Field(
        "",
        description="Further Host names (comma-separated) that requests may carry; loopback names always may. "
        "Their pages may use the endpoints from a browser (CORS).",
    )
    token: SecretStr | None = Field(
        None, description="The hub's token, 16 to 512 visible ASCII characters; with it set, loopback wants it too."
    )
    token_file: Path | None = Field(
        None, description="File with the hub's token; neither set, and listening beyond loopback: `token` in data_dir."
    )
    tls_cert: Path | None = Field(None, description="Certificate chain (PEM): the hub speaks HTTPS; with tls_key.")
    tls_key: Path | None = Field(None, description="Private key (PEM) of tls_cert.")
    trusted_proxies: str = Field(
        "", description="Addresses or networks (comma-separated) whose X-Forwarded-* headers count."
    )
    pass_env: str = Field(
        "", description="Names (comma-separated) of the hub's variables that every stdio server inherits."
    )
    max_sessions: int = Field(
        1000,
        ge=1,
        description="Most client sessions and listeners at once; an idle session makes room for one more, else it is "
        "answered 503.",
    )
    max_tenants: int = Field(
        100,
        ge=1,
        le=100_000,
        description="Most workspaces of single keys and users in use at once, each counted for everybody who uses it; "
        "an idle one makes room for one more, else it is answered 503.",
    )
    max_starting: int = Field(
        8, ge=1, le=1000, description="Most stdio servers that start at once; the others wait for their turn."
    )
    session_idle_timeout: float = Field(
        1800,
        gt=0,
        allow_inf_nan=False,
        description="A Streamable HTTP session without a request or an open stream ends after this time.",
    )
    input_timeout: float = Field(
        300,
        gt=0,
        allow_inf_nan=False,
        description="How long a call waits for what its server asked of a modern client; then it is given up.",
    )
    ping_interval: float = Field(
        15, gt=0, allow_inf_nan=False, description="Comment ping on SSE streams, against idle proxies."
    )
    max_body_bytes: int = Field(4 * 1024 * 1024, ge=1024, description="Largest request body that is read.")
    max_unread_bytes: int = Field(
        128 * 1024 * 1024,
        ge=1024,
        description="Most bytes that wait for clients that do not read; beyond it those connections end.",
    )
    probe_features: bool = Field(
        True,
        description="Look, once a server, whether it offers more to clients with features, and what a per_client one "
        "says of itself.",
    )
    page_size: int = Field(
        0, ge=0, description="Most items on one page of a list that a client asks for; 0: every list whole."
    )
    drain_timeout: float = Field(
        30,
        ge=0,
        allow_inf_nan=False,
        description="How long a removed server, or a sidecar that `hubctl reload` replaces, may finish calls.",
    )
    stop_timeout: float = Field(
        10,
        ge=0,
        le=12,
        allow_inf_nan=False,
        description="How long calls in flight may go on when the hub stops; at most 12.",
    )
    adapter_grace: float = Field(
        2,
        ge=0,
        allow_inf_nan=False,
        description="How long a started sidecar waits for the adapter before it serves its own copy.",
    )
    watchdog: Literal["off"] | Annotated[float, Field(ge=5, le=3600, allow_inf_nan=False)] = Field(
        8.0,
        description="Seconds after which a process of the hub that hangs is ended and started again, or off.",
    )
    stdio_wait: float = Field(
        25,
        ge=0,
        allow_inf_nan=False,
        description="How long `hubctl run WORKSPACE`, and a request of its client, wait for a hub that does not run.",
    )

    @field_validator("yamcp_dir", "yamcp_ui_dir", "data_dir", "runtime_dir", "token_file", "tls_cert", "tls_key")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().absolute() if value else value

    @field_validator("host")
    @classmethod
    def _address(cls, value: str) -> str:
        bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
        try:
            usable = value == "localhost" or ("%" not in bare and bool(ip_address(bare)))
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(f"{value!r} is not an IP address or localhost")
        return value

    @field_validator("token")
    @classmethod
    def _usable_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError("a token is 16 to 512 visible ASCII characters; `openssl rand -base64 32` makes one")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for item in listed(value):
            try:
                ip_network(item, strict=False)
            except ValueError:
                raise ValueError(f"{item!r} is not an IP address or network") from None
        return value

    @field_validator("public_url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://unset")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{value!r} is not an address that begins with http:// or https://, and a host")
        return value

    @model_validator(mode="after")
    def _short_enough(self) -> Self:
        length = len(os.fsencode(self.runtime)) + LONGEST_SOCKET_NAME
        if length > UNIX_PATH_LIMIT:
            raise ValueError(
                f"HUB_RUNTIME_DIR: {self.runtime} is {length - UNIX_PATH_LIMIT} bytes too long for a Unix socket; "
                "set HUB_RUNTIME_DIR to a shorter path"
            )
        return self

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("HUB_TLS_CERT and HUB_TLS_KEY: one is set without the other; HTTPS needs both")
        return self

    @property
    def loopback(self) -> bool:
        """Whether the hub listens on a loopback address only."""
        return self.host == "localhost" or ip_address(self.host.strip("[]")).is_loopback

    @property
    def protected(self) -> bool:
        """Whether all routes but /healthz and the login page require a token."""
        return not self.loopback or bool(self.token or self.token_file or self.oidc or self.jwt_issuer)

    @property
    def own_token_file(self) -> Path:
        """The file of the token that the hub generates if none is configured."""
        return self.data_dir / "token"

    @property
    def keys_file(self) -> Path:
        """The file of the named keys, which are stored as hashes."""
        return self.data_dir / "keys.json"

    @property
    def sign_ins_dir(self) -> Path:
        """The directory of the sealed accounts at remote servers."""
        return self.data_dir / "sign-ins"

    @property
    def front_key_file(self) -> Path:
        """The file of the front's own key, which each `hubctl run` generates anew."""
        return self.runtime / "front.key"

    @property
    def sidecar_socket(self) -> Path:
        """The Unix socket on which the sidecar of a protected hub listens instead of its port."""
        return self.runtime / "sidecar.sock"

    @property
    def handover_socket(self) -> Path:
        """Where the sidecar takes connections of the public port from the acceptor."""
        return self.runtime / "handover.sock"

    @property
    def acceptor_socket(self) -> Path:
        """Where the acceptor takes back those that are not for the sidecar."""
        return self.runtime / "acceptor.sock"

    @property
    def front_socket(self) -> Path:
        """Where the front listens behind the acceptor, instead of the public port."""
        return self.runtime / "front.sock"

    @property
    def yamcp_ui_socket(self) -> Path:
        """The Unix socket of YAMCP-UI. Not a port: it does not check Host and Origin, so any web page could use it."""
        return self.runtime / "yamcp-ui.sock"

    @property
    def mounts_allowed(self) -> tuple[Path, ...]:
        """The directories whose content servers in containers may mount."""
        return tuple(map(Path, listed(self.container_mounts)))

    @property
    def runtime(self) -> Path:
        """The runtime directory."""
        return self.runtime_dir or self.data_dir / "run"

    @property
    def desired_address(self) -> str:
        """The address at which the adapter serves desired state."""
        return f"ipc://{self.runtime}/desired.sock"

    @property
    def actual_address(self) -> str:
        """The address at which the sidecar serves actual state."""
        return f"ipc://{self.runtime}/actual.sock"

    @property
    def events_address(self) -> str:
        """The address at which the sidecar publishes events."""
        return f"ipc://{self.runtime}/events.sock"

    @property
    def desired_events_address(self) -> str:
        """The address at which the adapter publishes events."""
        return f"ipc://{self.runtime}/desired-events.sock"

    @property
    def base_url(self) -> str:
        """The base of the hub's URLs for users, without trailing slash."""
        return (self.public_url or self._url(self.port, "https" if self.tls_cert else "http")).rstrip("/")

    @property
    def sidecar_url(self) -> str:
        """The base of the sidecar's own URLs, without trailing slash."""
        return self._url(self.sidecar_port)

    @property
    def reached_at(self) -> str:
        """The address at which this machine reaches the hub: loopback if it listens on all addresses."""
        address = self.host.strip("[]")
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104  # not listened on here

    def _url(self, port: int, scheme: str = "http") -> str:
        host = self.reached_at
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def listed(value: str) -> list[str]:
    """Split a comma-separated list."""
    return [item for part in value.split(",") if (item := part.strip())]


def load() -> Settings:
    """Load the settings from the environment and the settings file.

    Raises:
        SettingInvalid: a setting is invalid; the message has its name and the reason.
    """
    settings_file_names()
    try:
        return Settings(_env_file=settings_file())
    except ValidationError as error:
        lines = []
        for item in error.errors(include_url=False):
            reason = item["msg"].removeprefix("Value error, ")
            name = f"HUB_{str(item['loc'][0]).upper()}: " if item["loc"] else ""
            lines.append(f"{name}{reason}")
        raise SettingInvalid("; ".join(lines)) from None
