"""Load balancers let go of an idle connection before a replica that stops closes it: a request on it would be lost."""

from __future__ import annotations

import re

import yaml

from sidecar.replicas.draining import LAST_SECONDS
from tests.support.yamcp import ROOT

EXAMPLES = ROOT / "examples/proxy"
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def test_nginx() -> None:
    """In each group of replicas."""
    text = (EXAMPLES / "replicas.nginx.conf").read_text()
    kept = [float(each) for each in re.findall(r"keepalive 32;\n +keepalive_timeout (\d+)s;", text)]
    assert len(kept) == len(re.findall(r"^upstream ", text, re.MULTILINE))
    assert max(kept) < LAST_SECONDS


def test_envoy() -> None:
    """In each cluster."""
    clusters = yaml.safe_load((EXAMPLES / "replicas.envoy.yaml").read_text())["static_resources"]["clusters"]
    for each in clusters:
        options = each["typed_extension_protocol_options"][OPTIONS]["common_http_protocol_options"]
        assert float(options["idle_timeout"].removesuffix("s")) < LAST_SECONDS, each["name"]
