"""Lists in pages."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import ParamsInvalid
from sidecar.features.pagination import Pages, page


def named(*names: str) -> list[dict[str, Any]]:
    """A list of these."""
    return [{"name": name} for name in names]


@given(st.lists(st.text(), unique=True), st.integers(0, 7))
def test_pages_are_the_list(names: list[str], size: int) -> None:
    """All pages together are the list, in its order; none is larger than it may be; a list that fits is one page."""
    items, found, params, count = named(*names), [], {}, 0
    while True:
        result = page("tools", items, params, size)
        found += result["tools"]
        count += 1
        assert not size or len(result["tools"]) <= size
        if "nextCursor" not in result:
            break
        params = {"cursor": result["nextCursor"]}
    assert found == items
    assert count == (max(1, -(-len(items) // size)) if size else 1)


def test_a_cursor_of_another_list() -> None:
    """A list that changed, or another one, does not take the cursor, and the error says what to do."""
    cursor = {"cursor": page("tools", named("a", "b", "c"), {}, 1)["nextCursor"]}
    assert page("tools", named("a", "b", "c"), cursor, 1)["tools"] == named("b")
    for key, names in (("tools", "ab"), ("tools", "acb"), ("prompts", "abc"), ("tools", "")):
        with pytest.raises(ParamsInvalid, match="has changed"):
            page(key, named(*names), cursor, 1)
    with pytest.raises(ParamsInvalid) as error:
        page("tools", named("a", "b"), cursor, 1)
    assert "from its beginning" in error.value.rpc()["message"]


def forged(text: str) -> str:
    """A cursor of that text."""
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize("cursor", ["", "x", "1", None, 1, "é", "////", forged("x.y"), forged("9"), forged("-1.x"), {}])
@pytest.mark.parametrize("size", [0, 1])
def test_no_cursor_of_ours(cursor: Any, size: int) -> None:
    """Whatever else comes as a cursor is refused."""
    with pytest.raises(ParamsInvalid):
        page("tools", named("a", "b"), {"cursor": cursor}, size)


def test_pages_are_encoded_once() -> None:
    """Whoever asks gets the same bytes; a page that begins elsewhere, by a cursor made up, is not kept."""
    pages = Pages("tools", named("a", "b", "c", "d"))
    first = pages.page({}, 2)
    second = pages.page({"cursor": first["nextCursor"]}, 2)
    assert (first["tools"], second["tools"]) == (named("a", "b"), named("c", "d"))
    assert pages.page({}, 2)["tools"] is first["tools"]
    assert pages.page({"cursor": first["nextCursor"]}, 2)["tools"] is second["tools"]
    start, _, digest = base64.b64decode(first["nextCursor"], b"-_").decode().partition(".")
    assert start == "2"
    between = {"cursor": base64.urlsafe_b64encode(f"1.{digest}".encode()).decode()}
    assert pages.page(between, 2)["tools"] == named("b", "c")
    assert pages.page(between, 2)["tools"] is not pages.page(between, 2)["tools"]
