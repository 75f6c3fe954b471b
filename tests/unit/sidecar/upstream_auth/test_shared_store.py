"""Sealed records, as files and as the copy of a database that is a fake here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from sidecar.sign_in_errors import SignInUnavailable
from sidecar.upstream_auth.sealing import Damaged, Sealer, id_of
from sidecar.upstream_auth.shared import store as module
from sidecar.upstream_auth.shared.database import Head, Row
from sidecar.upstream_auth.shared.store import SharedStore
from sidecar.upstream_auth.store import SealedFiles

ADA, KEY = ("ada", "notes"), b"k" * 32


class Database:
    """What replicas have in common."""

    target = "nowhere"

    def __init__(self) -> None:
        self.rows_by_id: dict[str, Row] = {}
        self.version = 0
        self.away = False

    async def head(self) -> Head:
        self.check()
        return Head("one", len(self.rows_by_id), sum(row.version for row in self.rows_by_id.values()))

    def check(self) -> None:
        if self.away:
            raise SignInUnavailable("It is away.")

    async def rows(self, after: int) -> list[Row]:
        return [row for row in self.rows_by_id.values() if row.version > after]

    async def row(self, key: str) -> Row | None:
        self.check()
        return self.rows_by_id.get(key)

    async def versions(self) -> dict[str, int]:
        return {key: row.version for key, row in self.rows_by_id.items()}

    async def put(self, key: str, kind: str, content: str, mark: str) -> int:
        self.check()
        self.version += 1
        self.rows_by_id[key] = Row(key, kind, content, mark, self.version)
        return self.version

    async def add(self, key: str, kind: str, content: str, mark: str) -> None:
        if key not in self.rows_by_id:
            await self.put(key, kind, content, mark)

    async def renew(self, key: str, content: str, mark: str) -> int | None:
        self.check()
        row = self.rows_by_id.get(key)
        return await self.put(key, row.kind, content, mark) if row and row.mark in (mark, "") else None

    async def remove(self, key: str, mark: str) -> None:
        self.check()
        if key in self.rows_by_id and self.rows_by_id[key].mark == mark:
            del self.rows_by_id[key]

    async def claim(self, key: str, seconds: float) -> bool:
        self.check()
        return True

    async def release(self, key: str) -> None:
        self.check()

    @property
    def noticed(self) -> Any:
        return self

    def set(self) -> None:
        """A notice that this hub sends itself."""

    def clear(self) -> None:
        """It was seen."""


Made = Callable[..., SharedStore]


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def made(tmp_path: Path, database: Database) -> Made:
    """Makes the store of a replica; `heard` gets the names of what others have changed."""

    def make(name: str, heard: list[tuple[str, ...]] | None = None, key: bytes = KEY) -> SharedStore:
        files = SealedFiles(tmp_path / name, tmp_path / f"{name}.key")
        changed = lambda _, names: heard.append(names) if heard is not None else None  # noqa: E731
        return SharedStore(files, cast("Any", database), key, ("token",), changed)

    return make


def test_a_record_at_another_place_is_damaged() -> None:
    """Kind and names are authenticated, and so is the key."""
    sealed = Sealer(lambda: KEY).seal("token", ADA, b"secret", "1")
    assert Sealer(lambda: KEY).open("token", ADA, sealed) == b"secret"
    assert b"secret" not in sealed
    for kind, names, key in (("client", ADA, KEY), ("token", ("eve", "notes"), KEY), ("token", ADA, b"x" * 32)):
        with pytest.raises(Damaged):
            Sealer(lambda key=key: key).open(kind, names, sealed)  # type: ignore[misc]


async def test_a_record_of_an_earlier_version_can_be_renewed(tmp_path: Path) -> None:
    """It has no mark; one of another sign-in stays."""
    files = SealedFiles(tmp_path, tmp_path / "key")
    await files.write("token", ADA, b"1")
    path = tmp_path / f"{id_of('token', ADA)}.json"
    path.write_text(json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != "mark"}))
    assert await files.renew("token", ADA, b"2", "m")
    assert not await files.renew("token", ADA, b"3", "other")
    assert files.read("token", ADA) == b"2"


async def test_changes_reach_the_others_in_any_order(made: Made, database: Database) -> None:
    """Also one whose version is lower than another that was seen before; what is removed is dropped."""
    heard: list[tuple[str, ...]] = []
    one, two = made("one"), made("two", heard)
    await two.catch_up()
    await one.write("token", ("eve", "notes"), b"eve", "1")
    late = database.rows_by_id.popitem()
    await one.write("token", ADA, b"ada", "1")
    await two.catch_up()
    assert two.names("token") == [ADA]
    database.rows_by_id.update([late])
    await two.catch_up()
    assert two.read("token", ("eve", "notes")) == b"eve"
    one.remove("token", ADA)
    await one.catch_up()
    await two.catch_up()
    assert two.names("token") == [("eve", "notes")]
    assert heard == [ADA, ("eve", "notes"), ADA]


async def test_a_sign_out_without_the_database_spares_a_later_sign_in(made: Made, database: Database) -> None:
    """Also if the process ends meanwhile."""
    one, two = made("one"), made("two")
    for each in (one, two):
        await each.catch_up()
    await one.write("token", ADA, b"old", "1")
    await one.write("token", ("eve", "notes"), b"eve", "1")
    database.away = True
    one.remove("token", ADA)
    one.remove("token", ("eve", "notes"))
    database.away = False
    await two.write("token", ADA, b"new", "2")
    again = made("one")
    await again.catch_up()
    await two.catch_up()
    assert (again.names("token"), two.names("token")) == ([ADA], [ADA])
    assert again.read("token", ADA) == b"new"


async def test_a_refresh_that_the_database_did_not_get(made: Made, database: Database) -> None:
    """It counts here, also for the next process, and reaches the others later, unless they know a newer sign-in."""
    one, two = made("one"), made("two")
    for each in (one, two):
        await each.catch_up()
    for mark, expected in (("1", b"renewed"), ("2", b"later")):
        await one.write("token", ADA, b"first", mark)
        await two.catch_up()
        async with one.locked("token", ADA):
            database.away = True
            assert await one.renew("token", ADA, b"renewed", mark)
        database.away = False
        if expected == b"later":
            await two.write("token", ADA, b"later", "3")
        assert one.read("token", ADA) == b"renewed"
        one = made("one")
        await one.catch_up()
        await two.catch_up()
        assert one.read("token", ADA) == two.read("token", ADA) == expected


async def test_a_refresh_after_a_sign_out_elsewhere(made: Made) -> None:
    """The record is gone: the caller is told."""
    one, two = made("one"), made("two")
    await one.write("token", ADA, b"first", "1")
    for each in (one, two):
        await each.catch_up()
    two.remove("token", ADA)
    await two.catch_up()
    assert not await one.renew("token", ADA, b"renewed", "1")
    assert one.names("token") == []


async def test_what_cannot_be_read_changes_nothing(made: Made, database: Database) -> None:
    """A row of a replica with another secret, or of a kind that this version does not know."""
    one, other = made("one"), made("other", key=b"x" * 32)
    await one.write("token", ADA, b"ada", "1")
    await other.write("token", ("eve", "notes"), b"eve", "1")
    await database.put(id_of("new", ADA), "new", Sealer(lambda: KEY).seal("new", ADA, b"", "").decode(), "")
    for _ in range(2):
        await one.catch_up()
    assert (one.names("token"), one.names("new")) == ([ADA], [])


async def test_only_what_is_certain_ends_by_its_cause(made: Made, database: Database, tmp_path: Path) -> None:
    """Nothing that came just now, and nothing while the database is away."""
    one = made("one")
    await one.write("token", ADA, b"ada", "1")
    await one.catch_up()
    assert one.endable("token") == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SETTLED_SECONDS", -1.0)
        assert one.endable("token") == [ADA]
        database.away = True
        await one.catch_up()
        assert one.endable("token") == []
