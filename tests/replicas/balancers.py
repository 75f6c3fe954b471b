"""nginx and Envoy as examples/proxy/replicas.* sets them up, before any number of replicas, as docs/scaling.md says."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.integration.proxies.proxies import EXAMPLES, nginx_with, program, replaced

FIRST, SECOND = "10.0.0.10", "10.0.0.11"
"""The addresses of r0 and r1 in the examples."""


def nginx(root: Path, port: int, hubs: Sequence[int]) -> list[str]:
    """Write the configuration below `root`, for replicas r0, r1, … with these ports; the words that start it."""
    text = (EXAMPLES / "replicas.nginx.conf").read_text()
    head = text.split("{", 1)[0] + "{\n    default yamcp_hub_any;\n"
    head += "".join(f'    "~^r{n}\\." yamcp_hub_r{n};\n' for n in range(len(hubs))) + "}\n"
    found = re.search(r"^upstream [^}]*?(keepalive [^}]*)}", text, re.MULTILINE)
    assert found is not None
    kept = " ".join(found[1].split())
    site = head + _upstream("any", hubs, (), kept)
    for number, hub in enumerate(hubs):
        site += _upstream(f"r{number}", (hub,), [each for each in hubs if each != hub], kept)
    site += "\nserver {" + text.rpartition("\nserver {")[2]
    changes = {"listen 8080;": f"listen 127.0.0.1:{port};", "/var/log/nginx/yamcp-hub.log": str(root / "access.log")}
    return nginx_with(root, replaced(site, changes))


def _upstream(name: str, hubs: Sequence[int], backups: Sequence[int], kept: str) -> str:
    """`kept`: what the example says of kept connections."""
    lines = [f"server 127.0.0.1:{hub};" for hub in hubs] + [f"server 127.0.0.1:{hub} backup;" for hub in backups]
    return f"upstream yamcp_hub_{name} {{ {' '.join(lines)} {kept} }}\n"


def envoy(root: Path, port: int, hubs: Sequence[int]) -> list[str]:
    """See nginx."""
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / "replicas.envoy.yaml").read_text())
    resources = found["static_resources"]
    listener = resources["listeners"][0]
    listener["address"]["socket_address"] |= {"address": "127.0.0.1", "port_value": port}
    host = listener["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]
    of_any, of_r0 = resources["clusters"][:2]
    of_any["load_assignment"]["endpoints"] = [_endpoints(hubs)]
    resources["clusters"] = [of_any]
    routes = [each for each in host["routes"] if "yamcp_hub_r0" in str(each)]
    rest = [each for each in host["routes"] if each["route"]["cluster"] == "yamcp_hub_any"]
    host["routes"] = []
    for number, hub in enumerate(hubs):
        name = f"yamcp_hub_r{number}"
        host["routes"] += [_renamed(each, number) for each in routes]
        cluster = _renamed(of_r0, number)
        backups = [each for each in hubs if each != hub]
        places = [{"priority": 0, **_endpoints([hub])}, *([{"priority": 1, **_endpoints(backups)}] if backups else [])]
        cluster["load_assignment"] = {"cluster_name": name, "endpoints": places}
        resources["clusters"].append(cluster)
    host["routes"] += rest
    (root / "envoy.yaml").write_text(yaml.safe_dump(found))
    own = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning")
    return [program("envoy"), "-c", str(root / "envoy.yaml"), *own]


def _endpoints(hubs: Sequence[int]) -> dict[str, Any]:
    places = [{"address": {"socket_address": {"address": "127.0.0.1", "port_value": hub}}} for hub in hubs]
    return {"lb_endpoints": [{"endpoint": each} for each in places]}


def _renamed(part: Any, number: int) -> Any:
    """A part of the example that is about r0, for another replica."""
    if isinstance(part, str):
        return re.sub(r"^r0\.$|(?<=yamcp_hub_)r0$", lambda found: found[0].replace("r0", f"r{number}"), part)
    if isinstance(part, dict):
        return {key: _renamed(value, number) for key, value in part.items()}
    if isinstance(part, list):
        return [_renamed(each, number) for each in part]
    return copy.copy(part)
