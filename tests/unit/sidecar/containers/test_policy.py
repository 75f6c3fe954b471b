"""policy.json: which rule applies to an image, and which images count as checked. Pure, but for two small files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.containers import policy
from sidecar.containers.engine import Image
from sidecar.containers.errors import ImageRefused, PolicyUnusable
from sidecar.containers.policy import Checked, Demand

ANYTHING, REJECT = {"type": "insecureAcceptAnything"}, {"type": "reject"}
DIGEST = f"sha256:{'a' * 64}"


def signed(key: Path) -> dict[str, str]:
    """The requirement of a signature by cosign."""
    return {"type": "sigstoreSigned", "keyPath": str(key)}


def written(path: Path, scopes: dict[str, Any], default: Any = REJECT) -> policy.Policy:
    """A policy that is read from a file."""
    content = {"default": [default], "transports": {"docker": {name: [each] for name, each in scopes.items()}}}
    path.write_text(json.dumps(content))
    return policy.read(path)


@pytest.mark.parametrize(
    ("image", "scope"),
    [
        ("docker.io/library/node:22", "docker.io/library/node:22"),
        ("docker.io/library/node", "docker.io/library/node:latest"),
        (f"docker.io/library/node:22@{DIGEST}", f"docker.io/library/node@{DIGEST}"),
        ("docker.io/library/node:23", "docker.io/library/node"),
        ("docker.io/other/a/b:1", "docker.io/other"),
        ("registry.example:5000/x:1", "registry.example:5000"),
        ("a.b.example/x", "*.b.example"),
        ("localhost/x", "localhost"),
        ("quay.io/x/y", ""),
    ],
)
def test_the_most_specific_scope_counts(tmp_path: Path, image: str, scope: str) -> None:
    """As podman chooses it."""
    others = ("docker.io/library/node:22", "docker.io/library/node", "docker.io", "docker.io/other", "*.example", "")
    scopes = dict.fromkeys(others, REJECT) | {"registry.example:5000": REJECT, "localhost": REJECT}
    assert written(tmp_path / "p", scopes | {scope: ANYTHING}).rule(image) == "accept"
    assert written(tmp_path / "p", {**dict.fromkeys(scopes, ANYTHING), scope: REJECT}).rule(image) == "reject"


def test_the_default_counts_where_no_scope_does(tmp_path: Path) -> None:
    """All requirements of a scope have to be met."""
    assert written(tmp_path / "p", {"docker.io": ANYTHING}).rule("quay.io/x/y") == "reject"
    assert written(tmp_path / "p", {}, ANYTHING).rule("quay.io/x/y") == "accept"
    key = tmp_path / "key"
    key.write_text("key")
    assert written(tmp_path / "p", {}, signed(key)).rule("quay.io/x/y") == "signed"


@pytest.mark.parametrize("image", ["node:22", "library/node", "abcdef012345"])
def test_a_name_without_registry_has_no_rule(tmp_path: Path, image: str) -> None:
    """podman could find it anywhere."""
    with pytest.raises(ImageRefused, match="without its registry"):
        written(tmp_path / "p", {"": ANYTHING}).rule(image)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"default": 1}', '{"default": [{"type": "x"}]}', '{"default": []}'])
def test_what_is_not_understood_accepts_nothing(tmp_path: Path, text: str) -> None:
    """Neither does a missing file or key."""
    path = tmp_path / "policy.json"
    path.write_text(text)
    with pytest.raises(PolicyUnusable):
        policy.read(path).rule("quay.io/x/y")
    with pytest.raises(PolicyUnusable, match="missing cannot be read"):
        policy.read(tmp_path / "missing")
    with pytest.raises(PolicyUnusable, match="missing cannot be read"):
        written(path, {"quay.io": signed(tmp_path / "missing")})


def test_an_image_counts_as_checked_under_one_policy(tmp_path: Path) -> None:
    """Of that name, with that id, as long as neither the policy nor a key changes."""
    key, path = tmp_path / "key", tmp_path / "policy.json"
    key.write_text("key")
    checked = Checked(tmp_path / "images.json")

    def demand(name: str = "quay.io/x") -> Demand:
        return Demand(checked, written(path, {"quay.io": signed(key)}), name)

    image, other = Image("1", ""), Image("2", "")
    assert not demand().met_by(image)
    demand().note(image)
    assert demand().met_by(image)
    assert not demand().met_by(other)
    assert not demand("quay.io/y").met_by(image)
    assert not demand().met_by(None)
    key.write_text("another key")
    assert not demand().met_by(image)
    assert Demand(checked, written(path, {"quay.io": ANYTHING}), "quay.io/x").met_by(other)
    assert Demand().met_by(other)
    (tmp_path / "images.json").write_text("[]")
    assert not demand().met_by(image)
