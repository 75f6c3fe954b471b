"""Which version of a document counts."""

from __future__ import annotations

import json

import pytest

from yamcp_ui_adapter.cluster.documents import KEYS, Decision, decide, digest
from yamcp_ui_adapter.format.entries import PROVIDERS

A, B, C = b'{"a": 1}', b'{"a": 2}', b'{"a": 3}'


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "decided"),
    [
        (A, A, A, Decision(A, A)),
        (A, A, B, Decision(B, B)),  # changed elsewhere
        (A, B, A, Decision(B, B)),  # changed here
        (A, B, B, Decision(B, B)),  # the same change
        (A, None, A, Decision(A, A)),  # a missing file removes nothing
        (A, None, B, Decision(B, B)),
        (A, A, None, Decision(None, None)),  # removed elsewhere
        (None, A, None, Decision(A, A)),  # new here
        (A, b"{", A, Decision(b"{", A)),  # being written, maybe
        (A, b"", A, Decision(b"", A)),
        (A, b"{", B, Decision(B, B, (KEYS,))),
        (A, B, C, Decision(C, C, (KEYS,))),  # both: others have it in force
        (A, B, None, Decision(None, None, (KEYS,))),
    ],
)
def test_the_change_counts_and_theirs_of_two(
    base: bytes | None, ours: bytes | None, theirs: bytes | None, decided: Decision
) -> None:
    """Of a document whose parts belong together."""
    assert decide(KEYS, base, ours, theirs) == decided


def test_entries_are_merged_one_by_one() -> None:
    """Each keeps the change that somebody made of it; of two changes of one, theirs counts."""
    base, ours, theirs = (
        json.dumps(each).encode()
        for each in ({"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 2, "d": 1}, {"a": 3, "b": 1, "c": 1, "e": 1})
    )
    decided = decide(PROVIDERS, base, ours, theirs)
    assert decided.local == decided.shared
    assert json.loads(decided.local or b"") == {"a": 3, "b": 2, "d": 1, "e": 1}
    assert decided.overruled == ("a",)


def test_the_hash_is_of_names_and_contents() -> None:
    """In whatever order they came."""
    assert digest({"x": A, "y": B}) == digest({"y": B, "x": A})
    assert len({digest({"x": A, "y": B}), digest({"x": B, "y": A}), digest({"x": A}), digest({})}) == 4
