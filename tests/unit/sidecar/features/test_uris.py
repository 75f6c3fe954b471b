"""Resource URIs under a server's label, and back."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AnyUrl

from sidecar.features.uris import Originals, labels, prefix, rewrite_result, strip

ORIGINALS = {
    "file:///etc/hosts": "file://ns/etc/hosts",
    "file:///C:/x": "hub://ns/file:///C:/x",
    "https://example.com/a?b=c#d": "https://ns/example.com/a?b=c#d",
    "https://example.com": "https://ns/example.com",
    "demo://resource/1": "demo://ns/resource/1",
    "test://a?b=c#d": "test://ns/a?b=c#d",
    "test://": "test://ns/",
    "urn:x:y": "urn:ns/x:y",
    "mailto:a@b": "mailto:ns/a@b",
    "ui://widget/x.html": "ui://ns/widget/x.html",
    "file://host/share": "hub://ns/file://host/share",
    "file:////share": "hub://ns/file:////share",
    "https:odd": "hub://ns/https:odd",
    "hub://other/x": "hub://ns/hub://other/x",
    "demo://a/%2F%zz//b": "demo://ns/a/%2F%zz//b",
    "plain": "hub://ns/plain",
}
TEMPLATES = {
    "{+uri}": "hub://ns/{+uri}",
    "demo://res/{id}{?q}": "demo://ns/res/{id}{?q}",
    "file:///{path*}": "file://ns/{path*}",
}


@pytest.mark.parametrize(("original", "shown"), list((ORIGINALS | TEMPLATES).items()))
def test_prefix_and_strip(original: str, shown: str) -> None:
    """Each form gets its label, and the inverse is exact."""
    assert prefix(original, "ns") == shown
    assert strip(shown) == ("ns", original)


@pytest.mark.parametrize("original", list(ORIGINALS))
def test_any_url_round_trip(original: str) -> None:
    """A client that parses URIs with pydantic's AnyUrl sends back what leads to the original."""
    assert strip(str(AnyUrl(prefix(original, "ns")))) == ("ns", original)


@pytest.mark.parametrize(
    "original",
    ["demo://naïve/ü x", "https://h/naïve?q=ü '\"<>", "Test://A/b", "demo://a/{x}`", "FILE:///Ünï", "urn:ü x", "Urn:é"],
)
def test_normalised_uris_are_found_again(original: str) -> None:
    """Where a parser encodes characters or folds the scheme, the listed URI is found again."""
    known = Originals([original, "demo://other"])
    stripped = strip(str(AnyUrl(prefix(original, "ns"))))
    assert stripped is not None
    assert stripped[1] != original
    assert known.restore(stripped[1]) == original


def test_originals_do_not_guess() -> None:
    """Unknown URIs pass as they are, and so does one that might mean two."""
    known = Originals(["demo://ü", "demo://%C3%BC", "demo://%2F", "x"])
    assert known.restore("demo://%C3%BC") == "demo://%C3%BC"
    assert known.restore("demo://new") == "demo://new"
    assert known.restore("demo:///") == "demo:///"
    assert Originals(["a://ü", "A://ü"]).restore("a://%C3%BC") == "a://%C3%BC"


@given(st.text(), st.from_regex(r"[a-z][a-z0-9-]{0,40}", fullmatch=True))
def test_the_inverse_is_exact(uri: str, label: str) -> None:
    """Any string at all, URI or not, comes back."""
    assert strip(prefix(uri, label)) == (label, uri)


@given(st.sampled_from(["a", "file", "https", "hub", "HUB", "x-y"]), st.sampled_from([":", "://", ":/"]), st.text())
def test_the_inverse_is_exact_for_uris(scheme: str, mark: str, rest: str) -> None:
    """The same for what looks like URIs."""
    assert strip(prefix(scheme + mark + rest, "ns")) == ("ns", scheme + mark + rest)


@pytest.mark.parametrize("uri", ["", "demo", "demo://ns", "demo://NS/x", "demo://1/x", "file:ns/x", "hub:ns/x", "{x}"])
def test_what_was_not_made_here(uri: str) -> None:
    """A URI that `prefix` cannot have made has no label."""
    assert strip(uri) is None


def test_labels() -> None:
    """Ordinary namespaces are their own labels; lossy and colliding ones get a hash of the key."""
    found = labels({"1": "github", "2": "My_Tools", "3": "a_b", "4": "a-b", "5": "日本", "6": "42", "7": "localhost"})
    assert found["1"] == "github"
    assert found["2"] == "my-tools"
    assert re.fullmatch(r"a-b-[0-9a-f]{8}", found["3"])
    assert re.fullmatch(r"a-b-[0-9a-f]{8}", found["4"])
    assert re.fullmatch(r"s-[0-9a-f]{8}", found["5"])
    assert re.fullmatch(r"s-42-[0-9a-f]{8}", found["6"])
    assert re.fullmatch(r"s-localhost-[0-9a-f]{8}", found["7"])
    assert len(labels({"1": "n" * 80})["1"]) == 49


def test_a_namespace_made_to_look_hashed() -> None:
    """A namespace that imitates another's label is told apart."""
    first = labels({"1": "日本"})["1"]
    found = labels({"1": "日本", "2": first})
    assert len(set(found.values())) == 2


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.sampled_from(["a", "A", "a_", "-a", "é"]))))
def test_labels_are_unique_hosts(namespaces: dict[str, str]) -> None:
    """Whatever the namespaces, labels are distinct, and survive as the host of any kind of URL."""
    found = labels(namespaces)
    assert len(set(found.values())) == len(namespaces)
    for label in found.values():
        assert re.fullmatch(r"[a-z][a-z0-9-]{0,48}", label)
        assert str(AnyUrl(f"https://{label}/x")) == f"https://{label}/x"
        assert str(AnyUrl(f"file://{label}/x")) == f"file://{label}/x"


LINK = {"type": "resource_link", "uri": "a://x", "name": "n"}
EMBEDDED = {"type": "resource", "resource": {"uri": "a://x", "text": "a://x"}}
TEXT = {"type": "text", "text": "a://x"}
TOOL_RESULT = {"type": "tool_result", "toolUseId": "1"}
ASKED = {"method": "sampling/createMessage", "params": {"messages": [{"role": "user", "content": [TEXT, EMBEDDED]}]}}
RESULTS: list[tuple[str, dict[str, Any], int]] = [
    ("tools/call", {"content": [TEXT, LINK, EMBEDDED], "structuredContent": {"uri": "a://x"}}, 2),
    ("tools/list", {"tools": [{"name": "t", "_meta": {"ui": {"resourceUri": "a://x"}, "ui/resourceUri": "a://x"}}]}, 2),
    ("tools/list", {"tools": [{"name": "t", "_meta": {"openai/outputTemplate": "a://x", "z": 1}}, {"name": "u"}]}, 1),
    ("prompts/get", {"messages": [{"role": "user", "content": EMBEDDED}, {"role": "user", "content": [LINK]}]}, 2),
    ("resources/read", {"contents": [{"uri": "a://x", "blob": ""}, {"uri": "a://x"}]}, 2),
    ("resources/list", {"resources": [{"uri": "a://x", "name": "n"}], "nextCursor": "c"}, 1),
    ("resources/templates/list", {"resourceTemplates": [{"uriTemplate": "a://x", "name": "n"}]}, 1),
    ("notifications/resources/updated", {"uri": "a://x"}, 1),
    ("tools/call", {"content": [], "_meta": {"ui": {"resourceUri": "a://x"}}}, 1),
    ("sampling/createMessage", {"messages": [{"role": "user", "content": LINK}], "systemPrompt": "a://x"}, 1),
    ("sampling/createMessage", {"messages": [{"role": "user", "content": [{**TOOL_RESULT, "content": [LINK]}]}]}, 1),
    ("tools/call", {"resultType": "input_required", "inputRequests": {"k": ASKED, "odd": 1}}, 1),
    ("prompts/get", {"resultType": "input_required", "inputRequests": {"k": ASKED}}, 1),
]


@pytest.mark.parametrize(("method", "result", "count"), RESULTS)
def test_results_are_rewritten(method: str, result: dict[str, Any], count: int) -> None:
    """Every URI of a resource is renamed, nothing else is, and what was passed in stays as it was."""
    before = copy.deepcopy(result)
    after = rewrite_result(method, result, lambda uri: uri.replace("a://", "b://"))
    assert result == before
    assert str(after).count("b://x") == count
    assert str(after).replace("b://x", "a://x") == str(before)


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("tools/call", {"content": [TEXT, "odd", {"type": "resource", "resource": "odd"}]}),
        ("tools/call", {"content": None}),
        ("tools/list", {"tools": [{"name": "t", "_meta": None}, {"name": "u", "_meta": {"ui": {"x": 1}}}]}),
        ("prompts/get", {"messages": [{"role": "user", "content": TEXT}]}),
        ("resources/read", {"contents": [{"uri": 1}]}),
        ("ping", {"uri": "a://x"}),
        ("tools/call", {"inputRequests": {"k": {"method": "roots/list"}, "l": {"params": {"uri": "a://x"}}}}),
        ("tools/call", {"inputRequests": "odd"}),
    ],
)
def test_nothing_to_rewrite(method: str, result: dict[str, Any]) -> None:
    """Results without URIs, and malformed ones, are passed on as the same object."""
    assert rewrite_result(method, result, lambda _: "wrong") is result
