"""bridge.keys: whose a token is, and how files that say so are read."""

from __future__ import annotations

import hmac
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge import keys
from bridge.keys import Keyring, KeysFile, Principal, hash_in, key_id, new_token, parse_keys, token_hash
from bridge.settings import Settings
from tests.unit.bridge.vectors import VECTORS

CASES: dict[str, Any] = json.loads((VECTORS / "keys.json").read_text())
TOKENS = {case["name"]: case["token"] for case in CASES["checks"]}
LAPTOP = TOKENS["a key for all workspaces"]


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Files:
    """A data directory with the vectors' files, and a keyring on them."""

    def __init__(self, directory: Path) -> None:
        self.settings = Settings(host="0.0.0.0", data_dir=directory)
        self.settings.runtime.mkdir(parents=True)
        self.token = self.settings.own_token_file
        self.keys = self.settings.keys_file
        self.token.write_text(CASES["token"])
        self.keys.write_text(CASES["file"])
        self.settings.front_key_file.write_text(CASES["front"])
        self.clock = Clock()
        self.ring = Keyring(self.settings, self.clock)

    def replace(self, file: Path, text: str) -> None:
        """In one step, as the hub does it."""
        new = file.with_name("new")
        new.write_text(text)
        new.replace(file)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def told(principal: Principal | None) -> dict[str, Any] | None:
    """A principal as the vectors have it."""
    if principal is None:
        return None
    workspaces = None if principal.workspaces is None else sorted(principal.workspaces)
    return {"id": principal.id, "name": principal.name, "workspaces": workspaces, "admin": principal.admin}


@pytest.mark.parametrize("case", CASES["checks"], ids=lambda case: case["name"])
def test_a_token_tells_whose_it_is(files: Files, case: dict[str, Any]) -> None:
    """Each of the vectors: the hub's own, the front's, named ones, and what is nobody's."""
    wanted = case["principal"]
    if wanted and wanted["workspaces"] is not None:
        wanted = {**wanted, "workspaces": sorted(wanted["workspaces"])}
    assert told(files.ring.check(case["token"])) == wanted


@pytest.mark.parametrize("case", CASES["may_use"], ids=lambda case: repr(case["workspace"]))
def test_a_key_may_use_its_workspaces(files: Files, case: dict[str, Any]) -> None:
    """All, or those named, exactly as they are named."""
    principal = files.ring.check(case["token"])
    assert principal
    assert principal.may_use(case["workspace"]) is case["may"]


@pytest.mark.parametrize("case", CASES["token_files"], ids=lambda case: case["name"])
def test_a_file_holds_the_token_or_its_hash(files: Files, case: dict[str, Any]) -> None:
    """White space around it aside; what is neither lets nobody in."""
    files.token.write_text(case["text"])
    ring = Keyring(files.settings)
    assert (ring.check(case["token"]) == Principal("admin", "admin", None, True)) is case["valid"]
    assert ring.check(LAPTOP)


@pytest.mark.parametrize("case", CASES["broken"], ids=lambda case: case["name"])
def test_a_broken_file_of_keys_lets_in_the_token_alone(
    files: Files, case: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is wrong with it, and it is logged without a value."""
    files.replace(files.keys, case["text"])
    files.clock.now += 1
    assert files.ring.check(LAPTOP) is None
    assert files.ring.check(CASES["token"])
    assert files.ring.error
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.getMessage() == "no named key is let in: the file cannot be used"
    assert token_hash(LAPTOP) not in caplog.text + files.ring.error


@pytest.mark.parametrize("case", CASES["usable"], ids=lambda case: case["name"])
def test_what_may_be_left_out_of_a_file_of_keys(case: dict[str, Any]) -> None:
    """It is read, and written again as it was meant."""
    found = parse_keys(case["text"].encode())
    assert parse_keys(found.model_dump_json().encode()) == found


def test_files_are_looked_at_at_most_every_half_second(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask with tokens that are known."""
    looks: list[Path] = []
    reads: list[Path] = []
    known = [token for token in TOKENS.values() if files.ring.check(token)]
    spy(monkeypatch, "_stamp", looks)
    spy(monkeypatch, "_read", reads)
    for token in known * 10:
        files.clock.now += 0.5 / 1000
        files.ring.check(token)
    assert (looks, reads) == ([], [])
    files.clock.now += 0.5
    for token in known:
        files.ring.check(token)
    assert sorted(looks) == sorted([files.token, files.keys, files.settings.front_key_file])
    assert reads == []


def test_a_key_that_nobody_knows_yet_is_looked_for_soon(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been made a moment ago; who makes tokens up costs 25 looks in half a second at most."""
    looks: list[Path] = []
    spy(monkeypatch, "_stamp", looks)
    for _ in range(1000):
        files.clock.now += 1 / 1000
        assert files.ring.check("yh_k9999999_" + "x" * 43) is None
    assert 25 * 3 < len(looks) <= 3 * 26 * 3


def test_a_key_is_good_at_once(files: Files) -> None:
    """Also if the files were looked at in the same moment, for a key that was unknown then."""
    entry = json.loads(files.keys.read_text())
    token = "yh_k8888888_" + "y" * 43
    assert files.ring.check(token) is None
    entry["keys"].append({**entry["keys"][0], "id": "k8888888", "name": "new", "hash": keys.token_hash(token)})
    files.keys.write_text(json.dumps(entry))
    assert files.ring.check(token)


def spy(monkeypatch: pytest.MonkeyPatch, name: str, seen: list[Path]) -> None:
    """Note each call of a function of bridge.keys."""
    real: Callable[[Path], Any] = getattr(keys, name)

    def noting(path: Path) -> Any:
        seen.append(path)
        return real(path)

    monkeypatch.setattr(keys, name, noting)


def test_a_token_is_compared_in_constant_time(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes alone are compared, as many for one token as for another."""
    compared: list[tuple[str, str]] = []
    real = hmac.compare_digest

    def noting(one: str, other: str) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noting)
    for token in TOKENS.values():
        compared.clear()
        files.ring.check(token)
        assert [len(one) == 64 and other == token_hash(token) for one, other in compared] == [True] * 3


def test_a_revoked_key_is_nobodys_within_half_a_second(files: Files) -> None:
    """Also where its session is open; the others stay, and one whose workspaces changed has the new ones."""
    laptop, one = (files.ring.check(TOKENS[name]) for name in ("a key for all workspaces", "a key for some workspaces"))
    admin = files.ring.check(CASES["token"])
    assert laptop
    assert one
    assert admin
    version = files.ring.version
    content = json.loads(CASES["file"])
    content["keys"][1]["workspaces"] = ["renamed"]
    files.replace(files.keys, json.dumps({**content, "keys": content["keys"][1:]}))
    assert files.ring.current(laptop) == laptop
    files.clock.now += 0.5
    assert files.ring.current(laptop) is None
    assert files.ring.check(LAPTOP) is None
    changed = files.ring.current(one)
    assert changed
    assert changed.workspaces == frozenset({"renamed"})
    assert files.ring.current(admin) == admin
    assert files.ring.version != version


def test_a_key_made_again_under_the_same_id_is_another(files: Files) -> None:
    """A session of the old one does not become one of the new one."""
    laptop = files.ring.check(LAPTOP)
    assert laptop
    content = json.loads(CASES["file"])
    content["keys"][0]["hash"] = token_hash("another")
    files.replace(files.keys, json.dumps(content))
    files.clock.now += 0.5
    assert files.ring.current(laptop) is None


def test_a_token_made_anew_ends_the_old_one(files: Files) -> None:
    """Sessions that it opened too; and a file that is gone lets nobody in."""
    old = files.ring.check(CASES["token"])
    assert old
    files.replace(files.token, "fedcba9876543210\n")
    files.clock.now += 0.5
    assert files.ring.check(CASES["token"]) is None
    assert files.ring.current(old) is None
    assert files.ring.check("fedcba9876543210")
    files.token.unlink()
    files.clock.now += 0.5
    assert files.ring.check("fedcba9876543210") is None
    assert files.ring.check("") is None


def test_a_token_that_is_set_wins_over_files(files: Files, tmp_path: Path) -> None:
    """HUB_TOKEN over HUB_TOKEN_FILE, that over the data directory's; where one is set the others open nothing."""
    named = tmp_path / "named"
    named.write_text("the-named-file's-token")
    given = Settings(data_dir=tmp_path, token="0123456789abcdef", token_file=named)
    for own, good in (
        (given, "0123456789abcdef"),
        (given.model_copy(update={"token": None}), "the-named-file's-token"),
        (files.settings, CASES["token"]),
    ):
        ring = Keyring(own)
        found = {token for token in ("0123456789abcdef", "the-named-file's-token", CASES["token"]) if ring.check(token)}
        assert found == {good}
    named.unlink()
    assert not Keyring(given.model_copy(update={"token": None})).check(CASES["token"])


def test_the_fronts_key_is_read(files: Files) -> None:
    """It is let in as long as its file is there."""
    assert files.ring.check(CASES["front"]) is not None
    files.settings.front_key_file.unlink()
    files.clock.now += 0.5
    assert files.ring.check(CASES["front"]) is None


def test_nobody_is_let_in_where_there_are_no_files(tmp_path: Path) -> None:
    """Not even with nothing."""
    ring = Keyring(Settings(host="0.0.0.0", data_dir=tmp_path))
    assert [ring.check(token) for token in ("", "admin", "front", LAPTOP, CASES["token"])] == [None] * 5
    assert ring.error == ""


def test_a_file_that_is_too_large_or_none_lets_nobody_in(files: Files) -> None:
    """A directory in its place, say."""
    files.replace(files.keys, CASES["file"] + " " * keys.MAX_FILE_SIZE)
    files.clock.now += 0.5
    assert files.ring.check(LAPTOP) is None
    files.keys.unlink()
    files.keys.mkdir()
    files.clock.now += 0.5
    assert files.ring.check(LAPTOP) is None
    assert files.ring.error


def test_a_principal_does_not_tell_its_hash() -> None:
    """Nor does it matter to whether two are the same."""
    one, other = (Principal("k1a2b3c4", "x", None, False, mark) for mark in ("a" * 64, "b" * 64))
    assert "aaaa" not in repr(one)
    assert one == other


@given(st.text(max_size=80) | st.from_regex(r"yh_k[0-9a-f]{7}_[A-Za-z0-9_-]{43}", fullmatch=True))
def test_any_text_can_be_checked(token: str) -> None:
    """Nothing raises, and only what is exactly of the form has an id."""
    assert len(token_hash(token)) == 64
    found = key_id(token)
    assert found is None or (token.startswith(f"yh_{found}_") and len(token) == 3 + 8 + 1 + 43 and token.isascii())
    said = hash_in(token)
    assert said is None or len(said) == 64


@given(st.from_regex(r"k[0-9a-f]{7}", fullmatch=True), st.text(max_size=5), st.integers(0, 54))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_new_token_is_its_keys_and_no_other_text_is(key: str, more: str, place: int) -> None:
    """One character more, or another one, and it opens nothing."""
    token = new_token(key)
    assert key_id(token) == key
    for changed in (token + more, more + token, token[:place] + more[:1] + token[place + 1 :]):
        assert (token_hash(changed) == token_hash(token)) is (changed == token)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_file_of_keys_or_refused(raw: bytes) -> None:
    """With one error, whatever they are."""
    try:
        assert isinstance(parse_keys(raw), KeysFile)
    except ValueError as error:
        assert "\n" not in str(error)


def test_only_hashes_are_kept(files: Files) -> None:
    """What a keyring holds in memory has no token in it."""
    files.ring.check(LAPTOP)
    held = repr(vars(files.ring))
    assert CASES["front"] not in held
    assert not [token for token in (CASES["token"], LAPTOP) if token in held]
    assert os.fspath(files.keys) in held


def test_a_new_key_is_found_by_its_id_at_once(files: Files) -> None:
    """A user may allow a client access with a key that was added a moment ago."""
    assert files.ring.holder("k7654321") is None
    files.replace(files.keys, CASES["file"].replace("k1a2b3c4", "k7654321"))
    assert files.ring.holder("k7654321") is not None


def test_a_principal_is_found_by_its_id(files: Files) -> None:
    """As it is now; nobody whose token cannot be read, of which the file says nothing then."""
    ring = files.ring
    for name in ("the hub's token", "the front's key", "a key for some workspaces", "an admin key"):
        found = ring.check(TOKENS[name])
        assert found is not None
        assert ring.holder(found.id) == found
        assert ring.readable(found.id)
    assert ring.holder("k9999999") is None
    assert ring.readable("k9999999"), "keys.json says that there is no such key"
    files.keys.write_text("{")
    files.token.unlink()
    files.clock.now += 1
    for principal in ("k1a2b3c4", "admin"):
        assert ring.holder(principal) is None
        assert not ring.readable(principal)
    assert ring.readable("front")
