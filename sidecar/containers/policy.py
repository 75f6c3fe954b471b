"""What a policy.json (containers-policy.json(5)) demands of an image, and which images were checked against it.

podman checks signatures when it pulls an image, and only then. So of an image that is on this machine already the hub
must know whether it was pulled under the policy as it is now; rules without signatures the hub applies itself.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from bridge.private import write_file
from sidecar.containers.engine import Image
from sidecar.containers.errors import ImageRefused, PolicyUnusable

log = logging.getLogger(__name__)

Rule = Literal["accept", "reject", "signed"]
KINDS = {"insecureAcceptAnything", "reject", "signedBy", "signedBaseLayer", "sigstoreSigned"}
MAX_CHECKED = 1000
"""Images that are remembered as checked."""
FILE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy. `digest`: of its file and of the keys that it names."""

    path: Path
    digest: str
    content: dict[str, Any]

    def rule(self, image: str) -> Rule:
        """What it demands of an image. Raises ImageRefused: the name has no registry; PolicyUnusable: a bad rule."""
        scopes = self.content.get("transports", {}).get("docker", {})
        found = next((scopes[scope] for scope in _scopes(image) if scope in scopes), self.content["default"])
        kinds = {str(each["type"]) for each in found}
        if not kinds or not kinds <= KINDS:
            raise PolicyUnusable(f"{self.path} has a requirement for {image!r} that the hub does not know.")
        if "reject" in kinds:
            return "reject"
        return "accept" if kinds == {"insecureAcceptAnything"} else "signed"


def read(path: Path) -> Policy:
    """Read a policy. Raises PolicyUnusable."""
    try:
        text = path.read_bytes()
        content = orjson.loads(text)
        made = hashlib.sha256(text)
        docker = content.get("transports", {}).get("docker", {})
        for requirement in (each for found in (content["default"], *docker.values()) for each in found):
            for key in (requirement.get("keyPath"), *requirement.get("keyPaths", ())):
                made.update(Path(key).read_bytes() if key else b"")
    except OSError as error:
        raise PolicyUnusable(f"{error.filename or path} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, LookupError, AttributeError):
        raise PolicyUnusable(f"{path} is no policy.json.") from None
    return Policy(path, made.hexdigest(), content)


def _scopes(image: str) -> Iterator[str]:
    """The scopes of an image, the most specific one first. Raises ImageRefused: its name has no registry."""
    bare, _, digest = image.partition("@")
    name, tag = bare, "latest"
    if ":" in bare.rpartition("/")[2]:
        name, _, tag = bare.rpartition(":")
    host, slash, _ = name.partition("/")
    if not slash or not (host == "localhost" or "." in host or ":" in host):
        raise ImageRefused(
            f"The image {image!r} is named without its registry: it is unclear which rule of the policy applies."
        )
    yield f"{name}@{digest}" if digest else f"{name}:{tag}"
    while name:
        yield name
        name = name.rpartition("/")[0]
    domain = host.partition(":")[0]
    while "." in domain:
        domain = domain.partition(".")[2]
        yield f"*.{domain}"
    yield ""


class Checked:
    """The images that podman pulled under a policy, kept in a file; those of another policy do not count."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def has(self, policy: Policy, name: str, image: str) -> bool:
        """Whether this image of this name was pulled under this policy."""
        return f"{name} {image}" in self._read(policy)

    def add(self, policy: Policy, name: str, image: str) -> None:
        """Note that it was. A failure is logged: the image is pulled again then."""
        known = [*(each for each in self._read(policy) if each != f"{name} {image}"), f"{name} {image}"]
        content = {"version": FILE_VERSION, "policy": policy.digest, "images": known[-MAX_CHECKED:]}
        try:
            write_file(self._path, orjson.dumps(content))
        except OSError as error:
            log.warning("the list of checked images could not be written: %s", error.strerror)

    def _read(self, policy: Policy) -> list[str]:
        with suppress(OSError, ValueError, TypeError, LookupError):
            content = orjson.loads(self._path.read_bytes())
            if content["version"] == FILE_VERSION and content["policy"] == policy.digest:
                return [str(each) for each in content["images"]]
        return []


class Demand:
    """What a policy demands of one image; without a policy, that it is there."""

    def __init__(self, checked: Checked | None = None, policy: Policy | None = None, name: str = "") -> None:
        """Raises ImageRefused, PolicyUnusable, as `Policy.rule`."""
        self._checked = checked
        self._policy = policy
        self._name = name
        self.rule: Rule = policy.rule(name) if policy else "accept"

    @property
    def policy_path(self) -> Path | None:
        """The policy that podman has to check when it pulls the image."""
        return self._policy.path if self._policy else None

    def met_by(self, image: Image | None) -> bool:
        """Whether an image that is on this machine may run."""
        if image is None or self.rule == "reject":
            return False
        if self.rule == "accept" or self._checked is None or self._policy is None:
            return True
        return self._checked.has(self._policy, self._name, image.id)

    def note(self, image: Image | None) -> None:
        """Note that an image was pulled under the policy."""
        if image and self.rule == "signed" and self._checked and self._policy:
            self._checked.add(self._policy, self._name, image.id)
