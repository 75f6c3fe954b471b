"""What logs mask of addresses and command lines is what pages mask (tests/front/masking_vectors.test.mjs)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.models import Launch, RemoteLaunch, StdioLaunch
from bridge.secret_names import is_secret_name
from sidecar.redact import Redactor, secrets_of
from sidecar.secret_shapes import MASK

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[3] / "bridge/vectors/masking.json").read_text("utf-8"))


def redactor(launch: Launch) -> Redactor:
    """What masks the secrets of a server."""
    made = Redactor()
    made.add("server", secrets_of(launch))
    return made


@pytest.mark.parametrize("name", VECTORS["secretNames"])
def test_names_that_tell(name: str) -> None:
    """What has such a name is a secret."""
    assert is_secret_name(name)


@pytest.mark.parametrize("name", VECTORS["otherNames"])
def test_other_names(name: str) -> None:
    """What has such a name may be shown."""
    assert not is_secret_name(name)


@pytest.mark.parametrize(("url", "shown"), VECTORS["urls"])
def test_addresses(url: str, shown: str) -> None:
    """Of a remote server, and in the arguments of another."""
    for launch in (RemoteLaunch(url=url), StdioLaunch(command="x", args=(url,))):
        assert redactor(launch)(url) == shown.replace("{}", MASK)


@pytest.mark.parametrize(("args", "shown"), VECTORS["args"])
def test_arguments(args: list[str], shown: list[str]) -> None:
    """Each of a command line, wherever it is told."""
    masked = redactor(StdioLaunch(command="x", args=tuple(args)))
    assert [masked(arg) for arg in args] == [arg.replace("{}", MASK) for arg in shown]


@pytest.mark.parametrize(("name", "value"), VECTORS["headers"])
def test_headers_and_variables(name: str, value: str) -> None:
    """Nothing of a value is left but the scheme of a header."""
    for launch in (RemoteLaunch(url="https://h", headers={name: value}), StdioLaunch(command="x", env={name: value})):
        assert value.rpartition(" ")[2] not in redactor(launch)(f"{name}: {value}; {value}")
