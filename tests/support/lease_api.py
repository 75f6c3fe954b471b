"""The part of the API server of Kubernetes that leases need (coordination.k8s.io/v1), over real HTTPS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.support.hub import free_ports
from tests.support.streams import listening
from tests.support.tls import Pair

Json = dict[str, Any]
PATH = "/apis/coordination.k8s.io/v1/namespaces/mcp/leases"
TOKEN = "token-of-the-pod"


class LeaseApi:
    """Lease objects, each write of which is conditional on `resourceVersion`, as in etcd.

    Requests of the methods in `mute` are carried out and not answered. `late` are seconds before other answers.
    `broken` answers all with HTTP 500.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.mute: set[str] = set()
        self.late = 0.0
        self.broken = False
        self.answers: list[tuple[str, int]] = []
        """Method and status of each."""
        self._version = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        while True:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, path, _ = first.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            status, found = self._serve(method, path, headers, json.loads(body) if body else {})
            self.answers.append((method, status))
            if method in self.mute:
                continue
            await asyncio.sleep(self.late)
            content = json.dumps(found).encode()
            writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content)
            await writer.drain()

    def _serve(self, method: str, path: str, headers: dict[str, str], lease: Json) -> tuple[int, Json]:
        if self.broken:
            return 500, {"kind": "Status", "message": "etcd does not answer"}
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"kind": "Status", "message": "Unauthorized"}
        name = lease["metadata"]["name"] if method == "POST" else path.removeprefix(f"{PATH}/")
        known = self.objects.get(name)
        if method == "POST":
            return (409, {"message": "already exists"}) if known else (201, self._stored(name, lease))
        if known is None:
            return 404, {"kind": "Status", "message": "not found"}
        if method == "PUT":
            assert lease["metadata"]["name"] == name
            if lease["metadata"]["resourceVersion"] != known["metadata"]["resourceVersion"]:
                return 409, {"kind": "Status", "message": "the object has been modified"}
            return 200, self._stored(name, lease)
        return 200, known

    def _stored(self, name: str, lease: Json) -> Json:
        spec = lease["spec"]
        assert spec["leaseDurationSeconds"] > 0
        assert spec["leaseTransitions"] >= 0
        assert spec.get("holderIdentity") != ""
        self._version += 1
        stored = {**lease, "metadata": {**lease["metadata"], "resourceVersion": str(self._version)}}
        self.objects[name] = stored
        return stored

    def change(self, **spec: Any) -> None:
        """Change the only Lease as somebody else does."""
        ((name, lease),) = self.objects.items()
        self._stored(name, {**lease, "spec": {**lease["spec"], **spec}})

    @contextlib.asynccontextmanager
    async def serving(self, pair: Pair, port: int = 0) -> AsyncIterator[str]:
        """Serve with a certificate; the value is the address."""
        port = port or free_ports(1)[0]
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pair.cert, pair.key)
        async with listening(self.answer, port, ssl=context):
            yield f"https://127.0.0.1:{port}"


def service_account(directory: Path, pair: Pair) -> Path:
    """What Kubernetes mounts into a pod, with the certificate as its authority."""
    directory.mkdir(exist_ok=True)
    for name, content in {"token": TOKEN, "namespace": "mcp", "ca.crt": pair.cert.read_text()}.items():
        (directory / name).write_text(content)
    return directory
