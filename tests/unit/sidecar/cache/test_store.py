"""Results in memory: bounded, and forgotten in time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.cache.store import MemoryStore


async def test_an_entry_ends_in_time() -> None:
    """And takes no room then."""
    now = [0.0]
    store = MemoryStore(10_000, lambda: now[0])
    await store.put("a", b"1", 5)
    now[0] = 4.5
    assert await store.get("a") == (b"1", 0.5)
    now[0] = 5
    assert (await store.get("a"), store.size) == (None, 0)


async def test_what_was_not_used_for_longest_goes_first() -> None:
    """Reading counts as use."""
    store = MemoryStore(3 * (MemoryStore.ENTRY_BYTES + 10))
    for key in "abc":
        await store.put(key, b"x" * 10, 60)
    await store.get("a")
    await store.put("d", b"x" * 10, 60)
    assert [key for key in "abcd" if await store.get(key)] == ["a", "c", "d"]


async def test_a_value_without_room() -> None:
    """Is not kept, and others that need the room for it go."""
    store = MemoryStore(1_000)
    await store.put("a", b"x" * 2_000, 60)
    assert (await store.get("a"), store.size) == (None, 0)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.binary(max_size=400))))
async def test_it_never_takes_more_than_it_may(puts: list[tuple[str, bytes]]) -> None:
    """Whatever is put, also under the same key."""
    store, kept = MemoryStore(1_500), dict[str, bytes]()
    for key, value in puts:
        await store.put(key, value, 60)
        kept[key] = value
        assert store.size <= 1_500
        assert store.size == sum(len(entry) + MemoryStore.ENTRY_BYTES for entry, _ in store._entries.values())
    for key in kept:
        found = await store.get(key)
        assert found is None or found[0] == kept[key]
    await store.close()
    assert store.size == 0
