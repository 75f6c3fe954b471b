"""activation: what of a server.json is used, which settings it asks for, and the definition that answers make."""

from __future__ import annotations

from typing import Any

import pytest

from yamcp_ui_adapter.activation.errors import EntryUnsupported, SettingsInvalid
from yamcp_ui_adapter.activation.inputs import Answers, checked, settings_of
from yamcp_ui_adapter.activation.plan import Definition, definition, described, provider_entry
from yamcp_ui_adapter.activation.target import target_of

NPM = {"registryType": "npm", "identifier": "@scope/server", "version": "1.2.3", "transport": {"type": "stdio"}}
PYPI = {"registryType": "pypi", "identifier": "mcp-server-x", "version": "0.3.1", "transport": {"type": "stdio"}}


def entry(*packages: dict[str, Any], remotes: Any = None, meta: Any = None, **fields: Any) -> dict[str, Any]:
    """A server.json with these packages."""
    found = {"name": "io.test/server", "version": "1.0.0", "packages": list(packages), **fields}
    if remotes:
        found["remotes"] = remotes
    if meta:
        found["_meta"] = {"yamcp-hub/catalog": meta}
    return found


def made(
    given: dict[str, Any], values: Any = None, secrets: Any = None, taken: tuple[str, ...] = (), key: str = "x"
) -> Definition:
    """The definition for an entry with these answers."""
    target = target_of(given)
    answers = checked(settings_of(target).inputs.values(), values or {}, secrets or {}, "/home/me")
    return definition(target, answers, key, taken)


def faults(given: dict[str, Any], values: Any = None, secrets: Any = None) -> dict[str, str]:
    """What is wrong with the answers."""
    with pytest.raises(SettingsInvalid) as caught:
        made(given, values, secrets)
    found: dict[str, str] = caught.value.data["inputs"]
    return found


# --- which package ---------------------------------------------------------------------------------------------------


def test_the_first_package_that_the_hub_can_install_is_used() -> None:
    """Others, and those that do not speak over stdio, are passed over."""
    over_http = {**NPM, "transport": {"type": "streamable-http", "url": "http://localhost:1"}}
    target = target_of(entry({"registryType": "nuget", "identifier": "X"}, over_http, PYPI))
    assert (target.kind, target.identifier, target.version) == ("pypi", "mcp-server-x", "0.3.1")


@pytest.mark.parametrize(
    "package",
    [
        {**NPM, "version": "^1.2.3"},
        {**NPM, "version": "latest"},
        {**NPM, "version": "1.x"},
        {**NPM, "version": None},
        {**NPM, "identifier": "--registry=http://evil"},
        {**NPM, "identifier": "a b"},
        {**NPM, "identifier": "git+ssh://host/x"},
        {**NPM, "identifier": "/etc/x.tgz"},
        {**NPM, "identifier": "file:/tmp/x.tgz"},
        {**NPM, "registryBaseUrl": "https://npm.example.com"},
        {**NPM, "runtimeArguments": [{"type": "named", "name": "--inspect"}]},
        {**PYPI, "version": ">=1"},
        {**PYPI, "version": "1.0; import os"},
        {**PYPI, "identifier": "x @ https://evil/x.whl"},
        {**PYPI, "identifier": "-r/etc/passwd"},
        {"registryType": "mcpb", "identifier": "https://example.com/x.mcpb"},
        {"registryType": "mcpb", "identifier": "http://example.com/x.mcpb", "fileSha256": "0" * 64},
        {"registryType": "mcpb", "identifier": "file:/tmp/x.mcpb", "fileSha256": "0" * 64},
        {"registryType": "mcpb", "identifier": "https://example.com/x.mcpb", "fileSha256": "0" * 63},
        {"registryType": "oci", "identifier": "-v/:/host"},
        {"registryType": "oci", "identifier": "x/y:1", "runtimeArguments": [{"type": "positional", "value": "-v"}]},
    ],
    ids=lambda package: f"{package['registryType']}-{package['identifier']}-{package.get('version')}"[:60],
)
def test_packages_that_are_not_pinned_or_could_mean_something_else_are_refused(package: dict[str, Any]) -> None:
    """No range, no option of an installer, no file, no other registry reaches an installer."""
    with pytest.raises(EntryUnsupported):
        target_of(entry(package))


@pytest.mark.parametrize("requirement", ["-r/etc/passwd", "x @ https://evil/x.whl", "", 3, "a\nb"])
def test_further_requirements_are_checked_too(requirement: Any) -> None:
    """They are passed to pip as arguments."""
    with pytest.raises(EntryUnsupported):
        target_of(entry(PYPI, meta={"with": [requirement]}))
    target = target_of(entry(PYPI, meta={"with": ["mcp<2", "x[a]>=1,!=1.5"], "command": "run_x"}))
    assert (target.requirements, target.program) == (("mcp<2", "x[a]>=1,!=1.5"), "run_x")


def test_an_entry_may_need_a_later_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages run in the hub's own; the reason comes before pip's `No matching distribution`."""
    monkeypatch.setattr("sys.version_info", (3, 11, 4))
    assert target_of(entry(PYPI, meta={"python": "3.9"}))
    with pytest.raises(EntryUnsupported, match=r"needs Python 3\.12 or later; the hub runs on Python 3\.11"):
        target_of(entry(PYPI, meta={"python": "3.12"}))


def test_files_are_for_own_entries_only() -> None:
    """A registry must not name files of this machine."""
    package = {**NPM, "identifier": "file:///srv/x.tgz", "version": "1.0.0"}
    target = target_of(entry(package), local=True)
    assert (target.local, target.identifier) == (True, "/srv/x.tgz")
    with pytest.raises(EntryUnsupported):
        target_of(entry({**package, "identifier": "/srv/../etc/passwd.tgz"}), local=True)
    with pytest.raises(EntryUnsupported):
        target_of(entry({**package, "identifier": "/srv/x.sh"}), local=True)


@pytest.mark.parametrize("meta", [None, {"built_in": "yes"}, {"built_in": False}])
def test_programs_of_the_hub_are_for_its_own_and_the_users_entries(meta: Any) -> None:
    """Those of registries have no `_meta` of the hub."""
    package = {"registryType": "yamcp-hub", "identifier": "python", "transport": {"type": "stdio"}}
    assert target_of(entry(package, meta={"built_in": True})).kind == "hub"
    for refused in (entry(package, meta=meta), entry({**package, "identifier": "os"}, meta={"built_in": True})):
        with pytest.raises(EntryUnsupported, match="no program"):
            target_of(refused)


def test_an_entry_with_nothing_usable_says_why() -> None:
    """Each package's reason is in the message."""
    with pytest.raises(EntryUnsupported, match=r"'nuget' are not supported.*'sse2' is not supported"):
        target_of(entry({"registryType": "nuget", "identifier": "X"}, remotes=[{"type": "sse2", "url": "https://x"}]))


# --- settings --------------------------------------------------------------------------------------------------------


def test_arguments_keep_their_order_and_form() -> None:
    """Positional, named, repeated, fixed, and a flag."""
    args = [
        {"type": "positional", "value": "stdio"},
        {"type": "named", "name": "--depth", "format": "number", "default": "3"},
        {"type": "named", "name": "--headless"},
        {"type": "named", "name": "--verbose", "format": "boolean"},
        {"type": "named", "name": "--root", "description": "Root", "isRepeated": True},
        {"type": "positional", "valueHint": "folder", "isRequired": True, "isRepeated": True, "format": "filepath"},
    ]
    given = entry({**NPM, "packageArguments": args})
    values = {"folder": ["~/a", "/b"], "--root": ["r1", "r2"], "--verbose": "true"}
    expected = ["stdio", "--depth", "3", "--headless", "--verbose", "--root", "r1", "--root", "r2", "/home/me/a", "/b"]
    assert list(made(given, values).args) == expected
    assert made(given, {"folder": "/b", "--verbose": "false"}).args == ("stdio", "--depth", "3", "--headless", "/b")


@pytest.mark.parametrize(
    ("spec", "value", "why"),
    [
        ({"format": "number"}, "ten", "number"),
        ({"format": "number"}, "nan", "number"),
        ({"format": "boolean"}, "yes", "true or false"),
        ({"format": "filepath"}, "a/b", "absolute"),
        ({"choices": ["a", "b"]}, "c", "one of: a, b"),
        ({}, "x\0", "NUL"),
        ({}, "x" * 8193, "longer"),
        ({}, ["a", "b"], "only one"),
        ({"isRequired": True}, "", "required"),
        ({"isRequired": True}, [], "required"),
        ({"value": "fixed"}, "other", "cannot be changed"),
        ({"isSecret": True}, "s3cret", "among the secrets"),
    ],
)
def test_values_are_checked_before_anything_starts(spec: dict[str, Any], value: Any, why: str) -> None:
    """The reason names the setting, never its value."""
    given = entry({**NPM, "environmentVariables": [{"name": "V", **spec}]})
    assert why in faults(given, {"V": value})["V"]


def test_unknown_settings_and_secrets_in_the_wrong_place_are_refused() -> None:
    """All faults are reported at once."""
    given = entry(
        {**NPM, "environmentVariables": [{"name": "OPEN"}, {"name": "KEY", "isSecret": True, "isRequired": True}]}
    )
    assert set(faults(given, {"NOPE": "1"}, {"OPEN": "x"})) == {"NOPE", "OPEN", "KEY"}


def test_a_secret_becomes_a_reference_and_a_variable() -> None:
    """The definition has `${NAME}`; on a conflict the name has the server's key in it."""
    given = entry({**NPM, "environmentVariables": [{"name": "GITHUB_TOKEN", "isSecret": True}, {"name": "URL"}]})
    plain = made(given, {"URL": "https://x"}, {"GITHUB_TOKEN": "t0p"})
    assert plain.env == {"GITHUB_TOKEN": "${GITHUB_TOKEN}", "URL": "https://x"}
    assert plain.variables == {"GITHUB_TOKEN": "t0p"}
    taken = made(given, {}, {"GITHUB_TOKEN": "t0p"}, ("GITHUB_TOKEN",), key="git-hub")
    assert (taken.env, taken.variables) == (
        {"GITHUB_TOKEN": "${GIT_HUB_GITHUB_TOKEN}"},
        {"GIT_HUB_GITHUB_TOKEN": "t0p"},
    )
    known = made(given, {"GITHUB_TOKEN": "${MY_TOKEN}"})
    assert (known.env, known.variables) == ({"GITHUB_TOKEN": "${MY_TOKEN}"}, {})
    assert "t0p" not in repr(plain)


def test_values_cannot_refer_to_variables() -> None:
    """Otherwise a setting that is not secret could take a secret out of variables.json, or read a file."""
    given = entry({**NPM, "environmentVariables": [{"name": "URL"}, {"name": "F", "value": "${file:/etc/passwd}"}]})
    assert made(given, {"URL": "https://x/${GITHUB_TOKEN}"}).env == {
        "URL": "https://x/$${GITHUB_TOKEN}",
        "F": "$${file:/etc/passwd}",
    }


def test_a_template_takes_its_variables() -> None:
    """`{name}` in a value; braces that name no variable are text; without its variable the item is left out."""
    header = {
        "name": "Authorization",
        "value": "Bearer {token}",
        "variables": {"token": {"isSecret": True}},
    }
    remote = {
        "type": "streamable-http",
        "url": "https://{tenant}.example.com/{path}/mcp",
        "variables": {"tenant": {"isRequired": True}},
        "headers": [header, {"name": "X-V", "value": "{1}"}],
    }
    given = {"name": "io.test/remote", "remotes": [remote]}
    found = made(given, {"tenant": "a/b"}, {"token": "t0p"})
    assert found.url == "https://a%2Fb.example.com/{path}/mcp"
    assert found.headers == {"Authorization": "Bearer ${TOKEN}", "X-V": "{1}"}
    assert made(given, {"tenant": "a"}).headers == {"X-V": "{1}"}
    assert "tenant" in faults(given)
    made_entry = provider_entry(target_of(given), found, (), "remote")
    assert made_entry == {
        "namespace": "remote",
        "type": "http",
        "providerParameters": {"url": found.url, "headers": found.headers},
    }


def test_inputs_of_one_name_are_told_apart() -> None:
    """Each input has a name of its own, and its value goes to its own place."""
    header = {"value": "{key}", "variables": {"key": {"isRequired": True}}}
    remote = {"type": "sse", "url": "https://x", "headers": [{"name": "A", **header}, {"name": "B", **header}]}
    given = {"name": "n", "remotes": [remote]}
    assert [each.name for each in described(given).inputs] == ["key", "B.key"]
    assert made(given, {"key": "1", "B.key": "2"}).headers == {"A": "1", "B": "2"}


def test_a_header_cannot_be_ended_by_its_value() -> None:
    """RFC 9110, 5.5."""
    remote = {"type": "sse", "url": "https://x", "headers": [{"name": "A"}]}
    assert "control" in faults({"name": "n", "remotes": [remote]}, {"A": "x\r\nHost: y"})["A"]


# --- what people see -------------------------------------------------------------------------------------------------


def test_an_entry_is_described_with_its_exact_command() -> None:
    """The command line with placeholders, what it may reach, and the secrets that it gets."""
    args = [{"type": "positional", "valueHint": "folder", "format": "filepath"}]
    env = [{"name": "KEY", "isSecret": True}]
    found = described(entry({**NPM, "packageArguments": args, "environmentVariables": env}))
    assert found.command == ("node", "@scope/server@1.2.3", "{folder}")
    assert any("user of the hub" in text for text in found.reach)
    assert any("KEY" in text for text in found.reach)
    assert any("folder" in text for text in found.reach)


def test_the_entry_of_providers_json_names_the_program() -> None:
    """Absolute, with the arguments that it needs before the entry's."""
    given = entry({**NPM, "packageArguments": [{"type": "positional", "value": "stdio"}]})
    made_entry = provider_entry(target_of(given), made(given), ("/usr/bin/node", "/data/x.js"), "x")
    assert made_entry["providerParameters"] == {"command": "/usr/bin/node", "args": ["/data/x.js", "stdio"]}


def test_answers_hide_secrets_when_they_are_printed() -> None:
    """A traceback or a log of the object does not tell them."""
    assert "t0p" not in repr(Answers({}, {}, {"K": "t0p"}))
