"""Load balancers as examples/proxy/replicas.* sets them up, before two replicas of the hub on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.integration.proxies.proxies import EXAMPLES, PLACE, nginx_with, program, replaced

EXAMPLE_ADDRESSES = ("10.0.0.10", "10.0.0.11")
"""Of r0 and r1 in the examples."""

Balancer = Callable[[Path, int, tuple[int, int]], list[str]]
"""Writes the example below `root`, with the port to listen on and those of r0 and r1; the words that start it."""


def nginx(root: Path, port: int, hubs: tuple[int, int]) -> list[str]:
    """See Balancer."""
    changes = {"listen 8080;": f"listen 127.0.0.1:{port};", "/var/log/nginx/yamcp-hub.log": str(root / "access.log")}
    return nginx_with(root, _example("replicas.nginx.conf", hubs, changes))


def haproxy(root: Path, port: int, hubs: tuple[int, int]) -> list[str]:
    """See Balancer."""
    (root / "haproxy.cfg").write_text(_example("replicas.haproxy.cfg", hubs, {"bind :8080": f"bind 127.0.0.1:{port}"}))
    return [*haproxy_words(), "-db", "-f", str(root / "haproxy.cfg")]


def haproxy_words() -> list[str]:
    """The words that start HAProxy, with the libraries that came with it."""
    libraries = ":".join(map(str, (PLACE / "lib").glob("*-linux-gnu")))
    return ["/usr/bin/env", f"LD_LIBRARY_PATH={libraries}", program("haproxy")]


def envoy(root: Path, port: int, hubs: tuple[int, int]) -> list[str]:
    """See Balancer."""
    listens = "address: 0.0.0.0, port_value: 8080"
    example = _example("replicas.envoy.yaml", hubs, {listens: f"address: 127.0.0.1, port_value: {port}"})
    (root / "envoy.yaml").write_text(example)
    own = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning")
    return [program("envoy"), "-c", str(root / "envoy.yaml"), *own]


def traefik(root: Path, port: int, hubs: tuple[int, int]) -> list[str]:
    """See Balancer."""
    (root / "dynamic.yml").write_text(_example("replicas.traefik.yml", hubs, {}))
    static = (f"--entryPoints.web.address=127.0.0.1:{port}", f"--providers.file.filename={root}/dynamic.yml")
    return [program("traefik"), *static]


BALANCERS: dict[str, Balancer] = {"nginx": nginx, "haproxy": haproxy, "envoy": envoy, "traefik": traefik}


def _example(name: str, hubs: tuple[int, int], changes: dict[str, str]) -> str:
    text = replaced((EXAMPLES / name).read_text(), changes)
    for address, port in zip(EXAMPLE_ADDRESSES, hubs, strict=True):
        envoys = {f"address: {address}, port_value: 8765": f"address: 127.0.0.1, port_value: {port}"}
        others = {f"{address}:8765": f"127.0.0.1:{port}"}
        text = replaced(text, envoys if "port_value" in text else others)
    return text
