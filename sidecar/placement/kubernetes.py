"""Leases as Lease objects of Kubernetes (coordination.k8s.io/v1), for replicas without a common database (ADR 58).

No clock is compared with another one. A lease of somebody else has ended when its record has stayed the same for its
duration, by this process's clock, from when it was first seen. Its holder counts the same time from before it wrote the
record, so it has stopped before. Each write is conditional on the record that was read (`resourceVersion`), so that of
several who want a lease one gets it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import ssl
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2

from bridge.errors import SettingInvalid
from sidecar.placement.leases import Answer, StoreFailed, boot_time
from sidecar.protocol.jsonrpc import as_dict

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod has token, certificate authority and namespace of its service account."""
COMMAND_SECONDS = 4.0
"""Longest wait for an answer of the API server."""
ATTEMPTS = 3
"""To write a record that others change at the same time."""
MAX_NAME = 40
"""Characters of a server's key in the name of its Lease."""
_UNFIT = re.compile(r"[^a-z0-9]+")

Json = dict[str, Any]


def api_address(environ: Mapping[str, str] = os.environ) -> str:
    """The address of the API server, which Kubernetes tells each pod. Raises SettingInvalid outside of a pod."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise SettingInvalid(
            "HUB_PLACEMENT is kubernetes, but the hub runs in no pod: KUBERNETES_SERVICE_HOST is not set."
        )
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


class _Seen(NamedTuple):
    """A record of somebody else."""

    version: str
    since: float
    """When this process saw it for the first time, by its own clock."""


class KubernetesLeases:
    """A `LeaseStore` (leases.py). `holder` is unique to this process. `prefix` is the same at all replicas of a hub;
    other hubs in the namespace have another one.

    `api` is the address of the API server, `account` the directory with the files of the service account. The token is
    read for each request, since Kubernetes renews it.
    """

    def __init__(
        self,
        api: str,
        prefix: str,
        holder: str,
        replica: str,
        account: Path = ACCOUNT,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self._api, self._prefix, self._account, self._clock = api, prefix, account, clock
        self._replica = replica
        self._holder = f"{replica}_{holder}"
        self._seen: dict[str, _Seen] = {}
        self._own: dict[str, Json] = {}
        """The Leases that this process has, as it wrote them last."""
        self._client: httpx2.AsyncClient | None = None

    # --- LeaseStore ----------------------------------------------------------------------------------------------

    async def acquire(self, key: str, seconds: float) -> Answer:
        """Get a lease, or learn who has it."""
        for _ in range(ATTEMPTS):
            found = await self._read(key)
            if found is None:
                spec, method = {"leaseTransitions": 0, "acquireTime": _now()}, "POST"
            elif not self._is_free(key, found):
                return Answer(0, _replica(found))
            else:
                spec, method = dict(found["spec"]), "PUT"
                if spec.get("holderIdentity") != self._holder:
                    spec |= {"leaseTransitions": _transitions(found) + 1, "acquireTime": _now()}
            made = found or {"metadata": {"name": self._name(key), "annotations": {"yamcp-hub-server": key}}}
            if written := await self._write(method, key, made, self._held(spec, seconds)):
                return Answer(_transitions(written) + 1, self._replica)
        raise StoreFailed(f"{self._name_of(key)} is being changed by others.")

    async def renew(self, keys: Collection[str], seconds: float) -> Mapping[str, bool]:
        """Extend leases; return whether each is still this holder's, without those whose requests failed."""
        return await self._change_all(keys, lambda spec: self._held(spec, seconds))

    async def release(self, keys: Collection[str]) -> None:
        """Give leases back: they have no holder then."""
        await self._change_all(keys, lambda spec: {name: spec[name] for name in spec if name != "holderIdentity"})
        for key in keys:
            self._own.pop(key, None)

    async def taker(self, key: str) -> str:
        """The other replica that has a lease; empty: none."""
        found = await self._read(key)
        return "" if found is None or self._is_free(key, found) else _replica(found)

    async def close(self) -> None:
        """End the connections."""
        client, self._client = self._client, None
        if client:
            await client.aclose()

    # --- records -------------------------------------------------------------------------------------------------

    async def _change_all(self, keys: Collection[str], change: Callable[[Json], Json]) -> Mapping[str, bool]:
        """Change Leases, all at the same time; return whether each was this holder's, without those whose requests
        failed. Raises StoreFailed if all did."""
        done: dict[str, bool] = {}
        failures: list[StoreFailed] = []

        async def change_one(key: str) -> None:
            try:
                done[key] = await self._change(key, change)
            except StoreFailed as failed:
                failures.append(failed)

        async with asyncio.TaskGroup() as tasks:
            for key in keys:
                tasks.create_task(change_one(key))
        if failures and not done:
            raise failures[0]
        return done

    async def _change(self, key: str, change: Callable[[Json], Json]) -> bool:
        """Change a Lease of this holder; False if it is somebody else's. Raises StoreFailed."""
        found = self._own.pop(key, None)
        for _ in range(ATTEMPTS):
            found = found or await self._read(key)
            if found is None or found["spec"].get("holderIdentity") != self._holder:
                return False
            if await self._write("PUT", key, found, change(found["spec"])):
                return True
            found = None
        raise StoreFailed(f"{self._name_of(key)} is being changed by others.")

    def _held(self, spec: Json, seconds: float) -> Json:
        """The `spec` of a Lease that this holder has from now on."""
        return {**spec, "holderIdentity": self._holder, "leaseDurationSeconds": round(seconds), "renewTime": _now()}

    def _is_free(self, key: str, found: Json) -> bool:
        """Whether this holder may write itself into a Lease, if nobody has changed it since."""
        holder, version = found["spec"].get("holderIdentity"), found["metadata"]["resourceVersion"]
        if not holder or holder == self._holder:
            return True
        seen = self._seen.get(key)
        if seen is None or seen.version != version:
            seen = self._seen[key] = _Seen(version, self._clock())
        return self._clock() - seen.since >= _duration(found)

    async def _read(self, key: str) -> Json | None:
        """The Lease of a server; None if there is none. Raises StoreFailed."""
        status, found = await self._send("GET", key)
        return None if status == 404 else self._checked(key, status, found)

    async def _write(self, method: str, key: str, found: Json, spec: Json) -> Json | None:
        """Write a Lease as it was read, with another `spec`; None if somebody else was faster. Raises StoreFailed."""
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": found["metadata"], "spec": spec}
        status, written = await self._send(method, key, lease)
        if status == 409 or (status == 404 and method == "PUT"):
            return None
        lease = self._checked(key, status, written)
        self._own[key] = lease
        return lease

    def _checked(self, key: str, status: int, found: Json) -> Json:
        """The Lease in an answer. Raises StoreFailed."""
        metadata, spec = as_dict(found.get("metadata")), as_dict(found.get("spec"))
        if status in (200, 201) and isinstance(metadata.get("resourceVersion"), str):
            return {"metadata": metadata, "spec": spec}
        why = f"HTTP {status} {found.get('message') or ''}".strip()[:300]
        raise StoreFailed(f"The API server of Kubernetes answers for {self._name_of(key)} with {why}.")

    # --- requests ------------------------------------------------------------------------------------------------

    def _name(self, key: str) -> str:
        """The name of a server's Lease: with a digest, as keys may have characters that names may not."""
        readable = _UNFIT.sub("-", key.lower())[:MAX_NAME].strip("-")
        digest = hashlib.sha256(key.encode()).hexdigest()[:10]
        return "-".join(filter(None, (self._prefix, readable, digest)))

    def _name_of(self, key: str) -> str:
        return f"the Lease {self._name(key)!r}"

    async def _send(self, method: str, key: str, lease: Json | None = None) -> tuple[int, Json]:
        """Status and content of the answer to a request. Raises StoreFailed."""
        try:
            token, namespace = (self._file(name) for name in ("token", "namespace"))
            path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
            path = path if method == "POST" else f"{path}/{self._name(key)}"
            client = self._client = self._client or self._connected()
            async with asyncio.timeout(COMMAND_SECONDS):
                answer = await client.request(method, path, json=lease, headers={"Authorization": f"Bearer {token}"})
            return answer.status_code, as_dict(answer.json())
        except TimeoutError:
            why = f"has not answered within {COMMAND_SECONDS:g} s"
        except (httpx2.HTTPError, OSError) as error:
            why = f"cannot be asked: {str(error) or type(error).__name__}"
        except ValueError:
            why = "answers with what is not JSON"
        raise StoreFailed(f"The API server of Kubernetes at {urlsplit(self._api).netloc} {why}.")

    def _file(self, name: str) -> str:
        return (self._account / name).read_text("utf-8").strip()

    def _connected(self) -> httpx2.AsyncClient:
        context = ssl.create_default_context(cafile=self._account / "ca.crt")
        return httpx2.AsyncClient(base_url=self._api, verify=context, trust_env=False, timeout=COMMAND_SECONDS)


def _now() -> str:
    """For people who look at the Lease: nobody compares it with a clock."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _replica(found: Json) -> str:
    """The name of the replica that has a Lease. Names have no underscore."""
    return str(found["spec"].get("holderIdentity") or "").rpartition("_")[0]


def _transitions(found: Json) -> int:
    number = found["spec"].get("leaseTransitions")
    return number if isinstance(number, int) else 0


def _duration(found: Json) -> float:
    """Seconds for which a Lease is valid after it was renewed."""
    seconds = found["spec"].get("leaseDurationSeconds")
    return seconds if isinstance(seconds, int) and seconds > 0 else 60
