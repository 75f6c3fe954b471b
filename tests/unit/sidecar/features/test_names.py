"""Exposed names: unique, within limits, the same every time."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.features.names import Entry, fold, hashed_name, plain_name, resolve
from tests.support.exposed_names import expose

LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")
TEMPLATES = ["{namespace}_{name}", "x-{name}", "{namespace}", "{name}", "hub.{namespace}.{name}"]

words = st.one_of(st.sampled_from(["a", "b", "a_b", "a-b", "A", "b_c", "c", "é", "日本", "x" * 70, ""]), st.text())
servers = st.dictionaries(words, words, max_size=4)


@st.composite
def entry_lists(draw: st.DrawFn) -> list[Entry]:
    """Entries of a few servers, prone to collide."""
    namespaces = draw(servers)
    return [Entry(key, ns, name) for key, ns in namespaces.items() for name in draw(st.lists(words, max_size=4))]


@given(entry_lists(), st.sampled_from(TEMPLATES))
def test_injective_and_complete(entries: list[Entry], template: str) -> None:
    """Every entry has exactly one name; even after a client's folding, unless names are passed through."""
    names = expose(entries, template)
    assert sorted(names.values()) == sorted(set(entries))
    if template != "{name}":
        assert len({fold(name) for name in names}) == len(names)
        assert all(LEGAL.fullmatch(name) for name in names)


@given(entry_lists(), st.sampled_from(TEMPLATES), st.randoms(use_true_random=False))
def test_order_does_not_matter(entries: list[Entry], template: str, rng: random.Random) -> None:
    """However the servers are listed, each entry has the same name."""
    shuffled = rng.sample(entries, len(entries))
    assert expose(entries, template) == expose(shuffled, template)


@given(entry_lists(), st.sampled_from(TEMPLATES))
def test_a_name_is_plain_or_hashed(entries: list[Entry], template: str) -> None:
    """A server that comes or goes can only switch another's names between two forms that never mean anything else."""
    for name, entry in expose(entries, template).items():
        assert name in (plain_name(entry, template), hashed_name(entry, template))


@given(st.lists(words, unique=True))
def test_one_server_is_transparent(names: list[str]) -> None:
    """With the empty prefix, one server's names are what it says, whatever their characters and length."""
    assert list(expose([Entry("s", "s", name) for name in names], "{name}")) == names


def test_plain_names() -> None:
    """The common case reads as YAMCP writes it, in the order of the servers' lists."""
    entries = [Entry("gh", "github", "search"), Entry("fs", "file_system", "read-file")]
    assert list(expose(entries)) == ["github_search", "file_system_read-file"]


def test_replaced_characters() -> None:
    """Characters that clients refuse become `_`."""
    assert list(expose([Entry("k", "my server", "weather.get")])) == ["my_server_weather_get"]


def test_an_illegible_namespace_gets_a_label() -> None:
    """A namespace of which nothing would be left is told from another such."""
    names = list(expose([Entry("1", "日本", "get"), Entry("2", "中国", "get"), Entry("3", "__", "get")]))
    assert names[2] == "___get"
    assert all(re.fullmatch(r"s[0-9a-f]{6}_get", name) for name in names[:2])


def test_long_names_are_cut() -> None:
    """A namespace of 80 characters leaves 55 of it and a hash that keeps tools apart."""
    names = list(expose([Entry("k", "n" * 80, "one"), Entry("k", "n" * 80, "two")]))
    assert all(re.fullmatch(r"n{55}_[0-9a-f]{8}", name) for name in names)
    assert len(set(names)) == 2


def test_the_exact_one_keeps_its_name() -> None:
    """Of a collision, the only member that needed no replacement stays; the others are hashed."""
    exact, replaced = Entry("a", "my_server", "get"), Entry("b", "my server", "get")
    assert set(expose([exact, replaced])) == {"my_server_get", hashed_name(replaced)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Entry("s", "n", "get-x"), Entry("s", "n", "get_x")),
        (Entry("s", "n", "Get"), Entry("s", "n", "get")),
        (Entry("s", "a", "b_c"), Entry("t", "a_b", "c")),
        (Entry("s", "n", "x"), Entry("t", "n", "x")),
    ],
)
def test_colliding_names_are_both_hashed(one: Entry, other: Entry) -> None:
    """Neither of two equals may have the name that the other would have alone."""
    assert set(expose([one, other])) == {hashed_name(one), hashed_name(other)}


def test_a_server_may_have_names_that_only_folding_confuses() -> None:
    """Passed through, `get-x` and `get_x` of one server stay; of two servers they are hashed."""
    one, two = Entry("s", "s", "get-x"), Entry("s", "s", "get_x")
    assert list(expose([one, two], "{name}")) == ["get-x", "get_x"]
    other = Entry("t", "t", "get_x")
    assert set(expose([one, other], "{name}")) == {hashed_name(one, "{name}"), hashed_name(other, "{name}")}


def test_a_name_made_to_look_hashed() -> None:
    """A server that imitates the hashed name of another gets a hash of its own."""
    one, other = Entry("s", "n", "x"), Entry("t", "n", "x")
    imitation = Entry("evil", "n", hashed_name(one)[2:])
    names = expose([one, other, imitation])
    assert len(names) == 3
    assert names[hashed_name(one)] == one
    assert names[hashed_name(imitation)] == imitation


def test_equal_hashes_get_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two entries whose short hashes are equal are told apart by longer ones."""
    monkeypatch.setattr(
        "sidecar.features.names.digest", lambda *parts: "0" * 10 + parts[0].encode().hex().ljust(54, "0")
    )
    names = expose([Entry("s", "n", "x"), Entry("t", "n", "x")])
    assert sorted(names) == ["n_x_0000000000730000", "n_x_0000000000740000"]


def test_twice_the_same_tool() -> None:
    """A name that a server lists twice counts once."""
    assert list(expose([Entry("s", "n", "x")] * 2)) == ["n_x"]


def test_braces_in_a_namespace_are_not_a_template() -> None:
    """What is filled in is not filled again."""
    assert list(expose([Entry("s", "{name}", "x")])) == ["_name__x"]


@pytest.mark.parametrize("template", TEMPLATES)
def test_reserved_names_stay(template: str) -> None:
    """Whoever collides with them is renamed, also by case and `-`; without a collision nothing changes."""
    own, other = Entry("yamcp-hub", "hub", "hub_status"), Entry("s", "s", "HUB-status")
    plain = {other: "HUB-status", own: "hub_status"}
    found = resolve(plain, template, frozenset({own}))
    assert found["hub_status"] == own
    assert found[hashed_name(other, template)] == other and len(found) == 2
    alone = {Entry("s", "s", "x"): "s_x", own: "hub_status"}
    assert list(resolve(alone, template, frozenset({own}))) == ["s_x", "hub_status"]
