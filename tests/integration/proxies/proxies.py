"""Proxies as examples/proxy sets them up, before hubs on this machine, and clients that come through them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.support.tls import Pair, certificate
from tests.support.yamcp import ROOT

HOST = "hub.example.com"
"""The name in the examples."""
EXAMPLES = ROOT / "examples/proxy"
PLACE = ROOT / ".envs/proxies/usr"
BALANCERS = ROOT / ".envs/balancers/bin"
PATH = os.pathsep.join(
    (os.environ.get("PATH", os.defpath), "/usr/sbin", str(PLACE / "sbin"), str(PLACE / "bin"), str(BALANCERS))
)


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs; what it wrote is below `root`."""

    name: str
    port: int
    root: Path
    trust: ssl.SSLContext
    """Of clients: its certificate alone."""

    @property
    def url(self) -> str:
        """The hub's address as its clients see it."""
        return f"https://{HOST}:{self.port}"

    def client(self, token: str = "", source: str = "127.0.0.1") -> httpx2.AsyncClient:
        """An HTTP client at that address of the loopback interface."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx2.AsyncClient(
            base_url=self.url, headers=headers, timeout=100, transport=Resolved(verify=self.trust, local_address=source)
        )

    def written(self) -> str:
        """Its configuration aside, all that it wrote."""
        return "".join(path.read_text("utf-8", "replace") for path in self.root.rglob("*.log"))


class Resolved(httpx2.AsyncHTTPTransport):
    """Whatever the name, it is this machine's; TLS and Host have the name."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Ask at 127.0.0.1."""
        request.extensions["sni_hostname"] = request.url.host
        request.url = request.url.copy_with(host="127.0.0.1")
        return await super().handle_async_request(request)


def program(name: str) -> str:
    """The path of a proxy. Skips the test where there is none; in CI there is."""
    found = shutil.which(name, path=PATH)
    if found is None and os.environ.get("CI") == "true":
        raise AssertionError(f"{name} is missing: tests/integration/proxies/setup.sh gets it")
    if found is None:
        pytest.skip(f"no {name} (tests/integration/proxies/setup.sh gets it)")
    return found


def nginx(root: Path, example: str, pair: Pair, port: int, hub: int) -> list[str]:
    """The example as nginx would include it; the words that start it."""
    site = replaced(example, {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;", "server 127.0.0.1:8765;": f"server 127.0.0.1:{hub};",
        "/etc/ssl/hub.example.com.pem": str(pair.cert), "/etc/ssl/hub.example.com.key": str(pair.key),
        "/var/log/nginx/yamcp-hub.log": str(root / "access.log"),
    })  # fmt: skip
    return nginx_with(root, site)


def nginx_with(root: Path, site: str) -> list[str]:
    """The words that start an nginx whose configuration includes `site`."""
    (root / "site.conf").write_text(site)
    temporary = "".join(
        f"{kind}_temp_path {root}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    (root / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {root}/nginx.pid; {user}\n"
        f"events {{ worker_connections 8192; }}\nhttp {{ {temporary} include {root}/site.conf; }}\n"
    )
    return [program("nginx"), "-p", str(root), "-e", str(root / "error.log"), "-c", str(root / "nginx.conf")]


def caddy(root: Path, example: str, pair: Pair, port: int, hub: int) -> list[str]:
    """The example with a port and a certificate of its own, as Debian's Caddy reads it; the words that start it."""
    site = replaced(example, {
        "\nhub.example.com {": "\n{\nadmin off\nauto_https off\ngrace_period 1s\nservers {\nprotocols h1 h2\n}\n}\n"
                               f"https://{HOST}:{port} {{\nbind 127.0.0.1\ntls {pair.cert} {pair.key}",
        "reverse_proxy 127.0.0.1:8765": f"request_body {{\nmax_size 5MiB\n}}\nreverse_proxy 127.0.0.1:{hub}",
        "request_buffers 4MiB": "buffer_requests",
    })  # fmt: skip
    (root / "Caddyfile").write_text(site)
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(root / "Caddyfile")]


KINDS = {"nginx": (nginx, "nginx.conf"), "caddy": (caddy, "Caddyfile")}


def replaced(text: str, changes: dict[str, str]) -> str:
    """The text with each of these replaced; all are there."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def prepare(name: str, root: Path, port: int, hub: int, changes: dict[str, str]) -> tuple[list[str], Pair]:
    """Write the example with what is otherwise here; the words that start the proxy, and its certificate."""
    make, file = KINDS[name]
    root.mkdir()
    pair = certificate(root, host=HOST)
    return make(root, replaced((EXAMPLES / file).read_text(), changes), pair, port, hub), pair


@contextlib.asynccontextmanager
async def proxy(
    name: str, root: Path, port: int, hub: int, changes: dict[str, str] | None = None
) -> AsyncIterator[Proxy]:
    """A proxy that listens, set up as the example with these changes; ended afterwards."""
    words, pair = prepare(name, root, port, hub, changes or {})
    async with started(words, root, port):
        yield Proxy(name, port, root, ssl.create_default_context(cafile=str(pair.cert)))


@contextlib.asynccontextmanager
async def started(words: list[str], root: Path, port: int) -> AsyncIterator[None]:
    """A program that listens on that port, and writes below `root`; ended afterwards."""
    with (root / "output.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env={"HOME": str(root), "PATH": PATH}
        )
    try:
        await listening(port, process, root / "output.log")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), 100)


async def listening(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    """Wait until somebody listens there (no event tells of it)."""
    async with asyncio.timeout(100):
        while True:
            assert process.returncode is None, words_of(log)
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return await writer.wait_closed()
            await asyncio.sleep(0.02)


def words_of(log: Path) -> str:
    """What it wrote."""
    return log.read_text("utf-8", "replace")


def cookie_of(reply: httpx2.Response) -> tuple[str, str, set[str]]:
    """The cookie that a reply sets: its name, its value, its attributes in lower case."""
    name, value, rest = re.fullmatch(r"([^=]+)=([^;]*)(.*)", reply.headers["set-cookie"]).groups()  # type: ignore[union-attr]
    return name, value, {part.strip().lower() for part in rest.split(";") if part.strip()}
