"""The settings of services beside the hub: what keeps results of tools (docs/cache.md), what counts for limits of
several hubs (docs/access.md), and what receives traces (docs/tracing.md).
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from bridge.settings.replicas import ReplicaSettings


class ServiceSettings(ReplicaSettings):
    """A part of `bridge.settings.Settings`, with those of replicas, and of other places that secrets come from."""

    install_timeout: float = Field(
        600, gt=0, le=86400, description="Longest time in seconds for each installer of a server of the catalogue."
    )
    cache_max_mb: int = Field(32, ge=1, le=65536, description="Most memory (MiB) for kept results of tools.")
    cache_url: SecretStr | None = Field(
        None, description="URL of a Redis or Valkey (redis://, rediss://, unix://) that keeps results of tools instead."
    )
    limits_url: SecretStr | None = Field(
        None,
        description="URL of a Redis or Valkey (redis://, rediss://, unix://) in which several hubs count together for "
        "the limits of access.json.",
    )
    redis_url: SecretStr | None = Field(
        None,
        description="URL of a Redis or Valkey (redis://, rediss://, unix://) that several hubs share: for limits and "
        "kept results, where HUB_LIMITS_URL and HUB_CACHE_URL are not set, and for what replicas tell each other.",
    )
    otlp_endpoint: str = Field(
        default_factory=lambda: os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        description="Base URL of an OTLP/HTTP receiver that traces of requests are sent to; unset: "
        "OTEL_EXPORTER_OTLP_ENDPOINT, or none.",
    )
    trace_share: float = Field(
        1,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of the requests that are traced, of those whose client sends no trace context.",
    )

    @field_validator("cache_url", "limits_url", "redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value and urlsplit(value.get_secret_value()).scheme not in ("redis", "rediss", "unix"):
            raise ValueError("it is not a URL that begins with redis://, rediss:// or unix://")
        return value

    @field_validator("otlp_endpoint")
    @classmethod
    def _receiver(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("it is not an address that begins with http:// or https://, and a host")
        if parts.username is not None or parts.password is not None:
            raise ValueError("it has a password; credentials go into OTEL_EXPORTER_OTLP_HEADERS")
        return value

    @property
    def limits_redis(self) -> str:
        """The URL of the Redis that counts for limits, with its password; empty for none."""
        return _revealed(self.limits_url or self.redis_url)

    @property
    def cache_redis(self) -> str:
        """The URL of the Redis that keeps results, with its password; empty for none."""
        return _revealed(self.cache_url or self.redis_url)

    @property
    def replicas_redis(self) -> str:
        """The URL of the Redis in which replicas tell each other of themselves; empty for none, or no replica."""
        return _revealed(self.redis_url) if self.replica else ""

    @property
    def traces_url(self) -> str:
        """The URL that traces are sent to (OTLP/HTTP, *Endpoint URLs*)."""
        return f"{self.otlp_endpoint.rstrip('/')}/v1/traces"


def _revealed(url: SecretStr | None) -> str:
    return url.get_secret_value() if url else ""
