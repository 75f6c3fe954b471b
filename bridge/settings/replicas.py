"""The settings of replicas: several hubs that serve the same workspaces (docs/scaling.md)."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from bridge.errors import SettingInvalid
from bridge.settings.cluster import ClusterSettings

NAME = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""The form of a replica's name: a DNS label (RFC 1123, 2.1)."""
PLACEHOLDER = "{replica}"
MAX_REPLICAS = 1000
MIN_SECRET_BYTES = 32
MAX_SECRET_BYTES = 4096
_NAME = re.compile(NAME)
_ORDINAL = re.compile(r"(.*-)[0-9]{1,4}")
"""Matches the name of a pod of a Kubernetes StatefulSet."""


@dataclass(frozen=True)
class ReplicaAddresses:
    """Where the replicas are reached. URLs have no path, and no slash at the end."""

    own: str
    """The name of this replica."""
    listed: dict[str, str]
    """The URLs of the replicas that the setting names."""
    template: str = ""
    """The URL of every other one, with PLACEHOLDER."""

    def url(self, name: str) -> str | None:
        """The URL of a replica; None if there is none of that name.

        The name may come from a client. So a template is used only for names that differ from this replica's in the
        number at the end.
        """
        if (known := self.listed.get(name)) is not None:
            return known
        own = _ORDINAL.fullmatch(self.own)
        other = _ORDINAL.fullmatch(name) if self.template and _NAME.fullmatch(name) else None
        if own is None or other is None or own[1] != other[1]:
            return None
        return self.template.replace(PLACEHOLDER, name)

    def heirs(self, owner: str, session_id: str) -> list[str]:
        """The listed replicas that may go on with a session of `owner`, the first one first. All replicas agree on the
        order, by rendezvous hashing, so that a session is resumed at one of them only."""
        others = (name for name in self.listed if name != owner)
        return sorted(others, key=lambda name: hashlib.sha256(f"{name} {session_id}".encode()).digest())


def addresses(own: str, setting: str) -> ReplicaAddresses:
    """Parse HUB_REPLICAS. Raises ValueError."""
    listed: dict[str, str] = {}
    names, template = [], ""
    for item in filter(None, (part.strip() for part in setting.split(","))):
        name, equals, url = item.partition("=")
        if PLACEHOLDER in item:
            if template:
                raise ValueError(f"it has two addresses with {PLACEHOLDER}")
            template = _checked(item)
        elif not _NAME.fullmatch(name):
            raise ValueError(f"{name[:80]!r} is not a name: lower-case letters, digits and `-`")
        elif name in names:
            raise ValueError(f"it names {name!r} twice")
        else:
            names.append(name)
            if equals:
                listed[name] = _checked(url)
    if bare := [name for name in names if name not in listed]:
        if not template:
            raise ValueError(f"{bare[0]!r} has no address; write name=http://host:port")
        listed |= {name: template.replace(PLACEHOLDER, name) for name in bare}
    if len(listed) > MAX_REPLICAS:
        raise ValueError(f"it has more than {MAX_REPLICAS} replicas")
    if names and own not in listed:
        raise ValueError(f"it lacks this replica, {own!r} (HUB_REPLICA)")
    if not names and _ORDINAL.fullmatch(own) is None:
        raise ValueError(f"{own!r} (HUB_REPLICA) does not end with a number; list all replicas")
    return ReplicaAddresses(own, {name: listed[name] for name in names}, template)


def _checked(url: str) -> str:
    """The URL of a replica, or the template, without a slash at the end. Raises ValueError."""
    text = url.rstrip("/")
    parts = urlsplit(text.replace(PLACEHOLDER, "x"))
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("an address is http:// or https://, a host and a port, and nothing else")
    return text


class ReplicaSettings(ClusterSettings):
    """A part of `bridge.settings.Settings`."""

    replica: str = Field(
        "",
        pattern=rf"^({NAME})?$",
        description="Name of this hub among the replicas behind one load balancer (docs/scaling.md): lower-case "
        "letters, digits and `-`. Ids of sessions begin with it. Empty: it is alone.",
    )
    replicas: str = Field(
        "",
        description="All replicas and where they reach each other (comma-separated `name=http://host:port`, or names "
        "and one http://{replica}.domain:port), to hand requests to the one that has the session; empty: off.",
    )
    replicas_secret: SecretStr | None = Field(
        None,
        description="Secret of all replicas, at least 32 characters: it signs what they hand each other, and seals "
        "what they share.",
    )
    replicas_secret_file: Path | None = Field(None, description="File with that secret, in its place.")

    drain_seconds: float = Field(
        5,
        ge=0,
        le=600,
        allow_inf_nan=False,
        description="Least time that a replica goes on serving when it is to stop, until load balancers have noticed; "
        "calls have HUB_DRAIN_TIMEOUT.",
    )

    @field_validator("replicas_secret_file")
    @classmethod
    def _absolute_file(cls, value: Path | None) -> Path | None:
        return value.expanduser().absolute() if value else value

    @field_validator("replicas_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _check_secret(value.get_secret_value().encode())
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.replicas_secret and self.replicas_secret_file:
            raise ValueError("HUB_REPLICAS_SECRET and HUB_REPLICAS_SECRET_FILE are both set; keep one")
        if not self.replicas:
            return self
        if not self.replica:
            raise ValueError("HUB_REPLICA is missing: the name of this hub among those of HUB_REPLICAS")
        if not (self.replicas_secret or self.replicas_secret_file):
            raise ValueError("HUB_REPLICAS_SECRET_FILE is missing: the file with the secret of all replicas")
        try:
            addresses(self.replica, self.replicas)
        except ValueError as error:
            raise ValueError(f"HUB_REPLICAS: {error}") from None
        return self

    @property
    def replica_addresses(self) -> ReplicaAddresses | None:
        """Where the replicas are reached; None where HUB_REPLICAS is not set."""
        return addresses(self.replica, self.replicas) if self.replicas else None

    @property
    def shares_sign_ins(self) -> bool:
        """Whether replicas have accounts at remote servers in common: in the database, sealed with a common key."""
        return bool(self.config_database_url and (self.replicas_secret or self.replicas_secret_file))

    def replica_key(self, purpose: str) -> bytes | None:
        """A key of 32 bytes for one purpose, the same at all replicas; None where HUB_REPLICAS is not set.

        Raises:
            SettingInvalid: the file with the secret cannot be used.
        """
        return self.common_key(purpose) if self.replicas else None

    def common_key(self, purpose: str) -> bytes | None:
        """The same key, for what replicas keep in common without handing each other requests; None without a secret.

        Raises:
            SettingInvalid: the file with the secret cannot be used.
        """
        if self.replicas_secret is not None:
            secret = self.replicas_secret.get_secret_value().encode()
        elif self.replicas_secret_file is not None:
            secret = _read(self.replicas_secret_file)
        else:
            return None
        return hmac.digest(secret, purpose.encode(), "sha256")


def _read(file: Path) -> bytes:
    name = "HUB_REPLICAS_SECRET_FILE"
    try:
        with file.open("rb") as opened:
            secret = opened.read(MAX_SECRET_BYTES + 1).strip()
    except OSError as error:
        raise SettingInvalid(f"{name}: {file} cannot be read: {error.strerror}.") from None
    try:
        _check_secret(secret)
    except ValueError as error:
        raise SettingInvalid(f"{name}: {file}: {error}.") from None
    return secret


def _check_secret(secret: bytes) -> None:
    if not MIN_SECRET_BYTES <= len(secret) <= MAX_SECRET_BYTES:
        raise ValueError(
            f"the secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes; `openssl rand -base64 32` makes one"
        )
