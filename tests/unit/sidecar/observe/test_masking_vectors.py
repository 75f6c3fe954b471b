"""What logs, errors and the adapter mask is what pages mask (tests/unit/yamcp_ui_adapter/format/test_masking.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.masking.names import is_secret_name
from bridge.models import Launch, RemoteLaunch, StdioLaunch
from sidecar.channels.web import place
from sidecar.observe.redaction import Redactor, secrets_of
from sidecar.observe.secret_shapes import MASK
from yamcp_ui_adapter.format.providers import check_entry, shown_variables

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[4] / "bridge/vectors/masking.json").read_text("utf-8"))


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


@pytest.mark.parametrize(("url", "shown"), VECTORS["loggedLess"])
def test_what_logs_mask_beyond_pages(url: str, shown: str) -> None:
    """Values of any parameter and long user names: in a log they may stand alone, without what names them."""
    assert redactor(RemoteLaunch(url=url))(url) == shown.replace("{}", MASK)


@pytest.mark.parametrize("vector", VECTORS["entries"], ids=lambda vector: vector["entry"].get("type"))
def test_entries(vector: dict[str, Any]) -> None:
    """What the adapter makes of an entry, the sidecar masks: no secret of it is in any text."""
    entry, issues = check_entry("a", vector["entry"])
    assert {issue.code for issue in issues} <= {"SERVER_FLAT", "NAMESPACE_MISSING"}
    masked = redactor(entry.launch)
    for secret in vector["secrets"]:
        for text in (secret, f"it said {secret}.", json.dumps({"x": secret}), json.dumps(vector["entry"])):
            assert secret not in masked(text)


@pytest.mark.parametrize("url", [*(url for url, _ in VECTORS["urls"]), *(url for url, _ in VECTORS["loggedLess"])])
def test_addresses_in_errors(url: str) -> None:
    """An error that names the address of a server has no secret of it, though nobody masks it any further."""
    if url.startswith("https://me:pa/"):  # no URL: it is refused before it is connected to
        return
    shown = place(url)
    for secret in secrets_of(RemoteLaunch(url=url)):
        assert secret not in shown


def test_variables() -> None:
    """The adapter warns of variables in a command line, but for those that hold no secret."""
    words = tuple(f"${{{name}}}" for name in VECTORS["openVariables"] + VECTORS["otherVariables"])
    assert shown_variables(words) == sorted(VECTORS["otherVariables"])
