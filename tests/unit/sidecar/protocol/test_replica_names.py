"""Names of replicas in ids: each id has one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.protocol.replica_names import named, split


@given(st.from_regex(r"[a-z0-9-]{0,20}", fullmatch=True), st.from_regex(r"[A-Za-z0-9_-]{0,40}", fullmatch=True))
def test_split_is_the_reverse_of_named(replica: str, own_id: str) -> None:
    """Name and rest come back as they were put together."""
    assert split(named(replica, own_id)) == (replica, own_id)


@given(st.text("ab.", max_size=8))
def test_no_id_has_two_spellings(full_id: str) -> None:
    """What is split and put together again is the same id, also where no hub made it."""
    assert named(*split(full_id)) == full_id


@pytest.mark.parametrize("full_id", [".", ".x", "..x", ".r0.x"])
def test_an_empty_name_is_none(full_id: str) -> None:
    """An id that begins with the separator names no replica and is not the id after it."""
    assert split(full_id) == ("", full_id)
