"""The Helm chart with each set of values in its ci/ folder, and the kustomize base: what they render is valid."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.settings import Settings
from bridge.settings.replicas import addresses
from sidecar.placement.kubernetes import ACCOUNT
from tests.integration.proxies.balancers import haproxy_words
from tests.support.yamcp import ROOT

CHART = ROOT / "charts/yamcp-hub"
KUSTOMIZE = ROOT / "deploy/kustomize"
TOOLS = ROOT / ".envs/kubernetes/bin"
VALUES = sorted(path.stem for path in (CHART / "ci").glob("*.yaml"))
CUSTOM = ("gateway.networking.k8s.io/v1", "monitoring.coreos.com/v1")
"""API groups of others than Kubernetes, which kubernetes-validate does not know."""
FULL = "values-full"

Resource = dict[str, Any]


def run(name: str, *words: str, stdin: str = "", fails: bool = False) -> str:
    """Run one of the tools: its stdout, or its stderr where it has to fail. Skips the test where there is none."""
    if not (TOOLS / name).exists():
        assert os.environ.get("CI") != "true", f"{name} is missing: tests/kubernetes/setup.sh gets it"
        pytest.skip(f"no {name} (tests/kubernetes/setup.sh gets it)")
    done = subprocess.run([TOOLS / name, *words], input=stdin, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout


def template(*words: str) -> str:
    """What helm makes of the chart."""
    return run("helm", "template", "hub", str(CHART), "--namespace", "mcp", *words)


@cache
def rendered(values: str) -> str:
    """What helm makes of the chart with a set of values."""
    return template("--values", str(CHART / f"ci/{values}.yaml"))


def resources(text: str) -> list[Resource]:
    """The resources in a text of YAML."""
    return [each for each in yaml.safe_load_all(text) if each]


def pods(text: str) -> Iterator[Resource]:
    """The pod templates in it."""
    return (
        each["spec"]["template"]["spec"] for each in resources(text) if each["kind"] in ("StatefulSet", "Deployment")
    )


def named(text: str, kind: str, name: str) -> Resource:
    """One resource."""
    return next(each for each in resources(text) if (each["kind"], each["metadata"]["name"]) == (kind, name))


def check(text: str, tmp_path: Path) -> None:
    """That Kubernetes takes it, and that it has no field that Kubernetes does not know."""
    (file := tmp_path / "resources.yaml").write_text(text)
    run("kubernetes-validate", "--strict", "--quiet", "--no-warn", str(file))
    others = [each for each in resources(text) if each["apiVersion"] in CUSTOM]
    if others:
        models = ROOT / "tests/kubernetes/models.mjs"
        done = subprocess.run(["node", models], input=json.dumps(others), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("values", VALUES)
def test_what_the_chart_renders_is_valid(values: str, tmp_path: Path) -> None:
    """helm lint, helm template, kubernetes-validate --strict, and the models of other resources."""
    run("helm", "lint", "--strict", str(CHART), "--values", str(CHART / f"ci/{values}.yaml"))
    check(rendered(values), tmp_path)


@pytest.mark.parametrize("values", VALUES)
def test_pods_are_restricted(values: str) -> None:
    """As Pod Security's profile `restricted` wants it, and read-only; with resources, probes and names of ports."""
    for pod in pods(rendered(values)):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            security = container["securityContext"]
            assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True)
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"]
            assert container["resources"]["limits"]
        for container in pod["containers"]:
            assert {"readinessProbe", "livenessProbe"} <= container.keys()
            assert all(port["name"].startswith("http-") for port in container["ports"])
    services = [each for each in resources(rendered(values)) if each["kind"] == "Service"]
    assert all(port["name"].startswith("http-") for each in services for port in each["spec"]["ports"])


@pytest.mark.parametrize("values", VALUES)
def test_settings_are_those_of_the_hub(values: str) -> None:
    """The pods set what the hub reads; secrets are references, and no Secret is made."""
    known = {f"HUB_{name.upper()}" for name in Settings.model_fields}
    hub = next(pod for pod in pods(rendered(values)) if pod["containers"][0]["name"] == "hub")
    variables = {each["name"]: each for each in hub["containers"][0]["env"]}
    assert variables.keys() <= known
    secrets = {
        "HUB_DATABASE_URL",
        "HUB_CONFIG_DATABASE",
        "HUB_REDIS_URL",
        "HUB_LIMITS_URL",
        "HUB_CACHE_URL",
    } & variables.keys()
    assert all("secretKeyRef" in variables[name]["valueFrom"] for name in secrets)
    assert variables["HUB_REPLICA"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert not [each for each in resources(rendered(values)) if each["kind"] == "Secret"]


def test_replicas_know_where_the_others_are() -> None:
    """The setting is one that the hub accepts, with and without names of all replicas."""
    for values, name, count in (("values-default", "hub-yamcp-hub", 2), (FULL, "hub-mcp", 0)):
        hub = named(rendered(values), "StatefulSet", name)["spec"]["template"]["spec"]["containers"][0]
        setting = next(each["value"] for each in hub["env"] if each["name"] == "HUB_REPLICAS")
        found = addresses(f"{name}-0", setting)
        assert len(found.listed) == count
        assert found.url(f"{name}-1") == f"http://{name}-1.{name}-replicas.mcp.svc.cluster.local:8765"


def test_the_full_set_has_every_resource() -> None:
    """None of the templates is without a test."""
    kinds = {each["kind"] for values in VALUES for each in resources(rendered(values))}
    assert kinds == {
        *("StatefulSet", "Deployment", "Service", "ConfigMap", "ServiceAccount", "Ingress", "HTTPRoute"),
        *("NetworkPolicy", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ServiceMonitor", "Role", "RoleBinding"),
    }


def test_leases_have_a_role() -> None:
    """The account of the pods may use what the hub uses, and they have its files where the hub reads them."""
    text = rendered(FULL)
    pod = named(text, "StatefulSet", "hub-mcp")["spec"]["template"]["spec"]
    binding, role = named(text, "RoleBinding", "hub-mcp-leases"), named(text, "Role", "hub-mcp-leases")
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": pod["serviceAccountName"], "namespace": "mcp"},
    ]
    assert (binding["roleRef"]["name"], role["metadata"]["name"]) == ("hub-mcp-leases",) * 2
    assert role["rules"] == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}
    ]
    mounted = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert mounted["service-account"] == str(ACCOUNT)
    volume = next(each for each in pod["volumes"] if each["name"] == "service-account")
    sources = [source for each in volume["projected"]["sources"] for source in each.values()]
    paths = {each["path"] for source in sources for each in source.get("items", [source])}
    assert paths == {"token", "ca.crt", "namespace"}
    variables = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert (variables["HUB_PLACEMENT"], variables["HUB_LEASE_PREFIX"]) == ("kubernetes", "hub-mcp")


def test_a_stop_has_the_time_that_it_takes() -> None:
    """Kubernetes kills no replica that still drains or stops."""
    stateful = named(rendered(FULL), "StatefulSet", "hub-mcp")["spec"]["template"]["spec"]
    hub = stateful["containers"][0]
    variables = {each["name"]: each.get("value") for each in hub["env"]}
    assert hub["lifecycle"]["preStop"] == {"exec": {"command": ["hubctl", "drain"]}}
    assert stateful["terminationGracePeriodSeconds"] > int(variables["HUB_DRAIN_TIMEOUT"]) + int(
        variables["HUB_STOP_TIMEOUT"]
    )


def test_names_of_replicas_in_routes() -> None:
    """A Gateway's routes find the pods of the StatefulSet, and its Services select them by these names."""
    text = rendered("values-gateway")
    route, service = named(text, "HTTPRoute", "hub-1"), named(text, "Service", "hub-1")
    matches = route["spec"]["rules"][0]["matches"]
    found = [(match.get("headers") or match["queryParams"])[0] for match in matches]
    assert [each["name"] for each in found] == ["Mcp-Session-Id", "session_id", "Mcp-Name"]
    assert {each["value"] for each in found} == {r"^hub-1\..*$"}
    assert route["spec"]["rules"][0]["backendRefs"][0]["name"] == "hub-1"
    assert service["spec"]["selector"]["statefulset.kubernetes.io/pod-name"] == "hub-1"
    assert service["spec"]["publishNotReadyAddresses"]


def test_haproxy_takes_the_configuration_of_the_balancer(tmp_path: Path) -> None:
    """With names that cannot be looked up yet."""
    text = named(rendered("values-default"), "ConfigMap", "hub-yamcp-hub-balancer")["data"]["haproxy.cfg"]
    (file := tmp_path / "haproxy.cfg").write_text(text)
    done = subprocess.run([*haproxy_words(), "-c", "-f", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("replicas=1", "token.existingSecret is missing"),
        ("token.existingSecret=a,balancer.enabled=false,forwarding.enabled=false", "several replicas need balancer.en"),
        ("token.existingSecret=a,httpRoute.enabled=true", "httpRoute.parentRefs is missing"),
        ("token.existingSecret=a,serviceMonitor.enabled=true", "serviceMonitor.existingSecret is missing"),
        ("token.existingSecret=a,configuration.database.existingSecret=b,configuration.providers.x=y", "keep one"),
        ("token.existingSecret=a,replicas=40", "balancer.maxReplicas is 16"),
        ("token.existingSecret=a,settings.HUB_TOKEN=x", "HUB_TOKEN"),
        ("token.existingSecret=a,token.value=x", "value"),
    ],
)
def test_values_that_cannot_work_are_refused(given: str, missing: str) -> None:
    """Before anything is installed, with what is missing."""
    assert missing in run("helm", "template", "hub", str(CHART), "--set", given, fails=True)


def test_the_kustomize_base(tmp_path: Path) -> None:
    """It is what the chart renders, and the example's overlay of it is valid."""
    base = tmp_path / "base.yaml"
    run("helm", "version")
    environment = {**os.environ, "HELM": str(TOOLS / "helm")}
    subprocess.run(["bash", KUSTOMIZE / "render.sh", base], env=environment, check=True)
    assert base.read_text() == (KUSTOMIZE / "base/yamcp-hub.yaml").read_text(), "run deploy/kustomize/render.sh"
    text = run("kubectl", "kustomize", str(KUSTOMIZE / "example"))
    check(text, tmp_path)
    hub = named(text, "StatefulSet", "yamcp-hub")
    assert hub["spec"]["replicas"] == 3
    volumes = {each["name"]: each for each in hub["spec"]["template"]["spec"]["volumes"]}
    used = volumes["configuration"]["configMap"]["name"]
    assert "mcp-server-time" in named(text, "ConfigMap", used)["data"]["providers.json"]
