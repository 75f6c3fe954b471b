"""bridge.credentials.journal: what an access token gives, and who is signed in, as the file that grows says."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.credentials.journal import MAX_UNKNOWN_TOKEN_CHECKS, Journal
from bridge.credentials.records import (
    AnyRecord,
    GrantEnd,
    GrantRecord,
    GrantUsed,
    Head,
    LoginRecord,
    TokenRecord,
    UserEnd,
    UserRecord,
    line_of,
    record_of,
)
from bridge.keys import token_hash
from tests.unit.bridge.vectors import VECTORS

VECTOR: dict[str, Any] = json.loads((VECTORS / "credentials.json").read_text())
NOW: float = VECTOR["now"]
USER = UserRecord(id="u0123456789abcde", issuer="https://id.example", sub="1", name="Ada", at=NOW)
GRANT = GrantRecord(id="g1", client="c1", principal=USER.id, workspace="research", at=NOW)
TOKEN = "yha_" + "a" * 43


def token(secret: str = TOKEN, until: float = NOW + 60) -> TokenRecord:
    return TokenRecord(hash=token_hash(secret), grant=GRANT.id, until=until)


class File:
    """A journal that is written as the adapter does, and its reader with a clock that stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.at = 100.0
        self.now = NOW
        self.replace("one", USER, GRANT)
        self.journal = self.reader()

    def reader(self) -> Journal:
        return Journal(self.path, lambda: self.at, lambda: self.now)

    def replace(self, head: str, *records: AnyRecord) -> None:
        new = self.path.with_name("new")
        new.write_bytes(b"".join(map(line_of, (Head(id=head), *records))))
        new.replace(self.path)

    def append(self, *records: AnyRecord) -> None:
        with self.path.open("ab") as file:
            file.write(b"".join(map(line_of, records)))


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "credentials.jsonl")


@pytest.mark.parametrize("case", VECTOR["cases"], ids=lambda case: case["name"])
def test_vectors(case: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The state after each journal of the vectors."""
    path = tmp_path / "credentials.jsonl"
    path.write_text(case["text"])
    journal = Journal(path, now=lambda: NOW)
    for secret, wanted in case["tokens"].items():
        found = journal.access(secret)
        assert wanted == (
            found
            and {
                "grant": found.grant.id,
                "workspace": found.grant.workspace,
                "principal": found.grant.principal,
                "until": found.until,
            }
        )
    for user, wanted in case["users"].items():
        record = journal.user(user)
        assert wanted == (record and json.loads(record.model_dump_json(include=set(wanted or ()))))
    for login, principal in case["logins"].items():
        assert principal == ((opened := journal.login(login)) and opened.principal)
    assert bool(caplog.records) is ("not records" in case["name"])


@pytest.mark.parametrize(
    "record", [USER, GRANT, token(), LoginRecord(id="n", principal=USER.id, until=NOW)], ids=lambda record: record.t
)
def test_a_record_is_read_as_it_was_written(record: AnyRecord) -> None:
    """Its line is one line, and has everything."""
    line = line_of(record)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert record_of(line) == record


def test_a_new_token_counts_at_once(file: File) -> None:
    """An unknown token makes the reader look again before its next time, and a known one does not."""
    assert file.journal.access(TOKEN) is None
    file.append(token())
    assert file.journal.access(TOKEN) is not None
    file.append(GrantEnd(id=GRANT.id))
    assert file.journal.access(TOKEN) is not None
    file.at += 0.5
    assert file.journal.access(TOKEN) is None


def test_unknown_tokens_cause_a_bounded_number_of_checks(file: File) -> None:
    """After that, new lines are read when it is time."""
    for _ in range(MAX_UNKNOWN_TOKEN_CHECKS):
        assert file.journal.access("yha_unknown") is None
    file.append(token())
    assert file.journal.access(TOKEN) is None
    file.at += 0.5
    assert file.journal.access(TOKEN) is not None


def test_the_version_counts_what_matters(file: File) -> None:
    """Whoever remembers an answer asks again when the version is another."""

    def raised_by(change: Callable[[], None]) -> bool:
        before = file.journal.version
        change()
        file.journal.refresh()
        return file.journal.version > before

    assert raised_by(lambda: file.append(token()))
    assert not raised_by(lambda: file.append(GrantUsed(id=GRANT.id, at=NOW)))
    assert not raised_by(lambda: file.append(GrantEnd(id="g2")))
    assert raised_by(lambda: file.append(USER))
    assert raised_by(lambda: file.append(GrantEnd(id=GRANT.id)))
    assert raised_by(lambda: file.append(UserEnd(id=USER.id)))
    assert raised_by(lambda: file.replace("two", USER))
    assert raised_by(file.path.unlink)
    assert not raised_by(lambda: None)


def test_endings_are_counted_apart(file: File) -> None:
    """What is new ends nothing; a token or a login that comes again with another end may."""

    def endings(*records: AnyRecord) -> int:
        before = file.journal.endings
        file.append(*records)
        file.journal.refresh()
        return file.journal.endings - before

    login = LoginRecord(id="n1", principal=USER.id, until=NOW + 60)
    assert endings(token(), login) == 0
    assert endings(token(until=NOW)) == 1
    assert endings(login.model_copy(update={"until": NOW})) == 1
    assert endings(GRANT.model_copy(update={"workspace": "lab"})) == 1
    assert endings(GrantEnd(id=GRANT.id)) == 1


def test_a_refresh_prolongs_the_grant(file: File) -> None:
    """The end of the newest token is the grant's."""
    file.append(token(until=NOW + 10), token("yha_" + "b" * 43, until=NOW + 20))
    file.journal.refresh()
    file.now = NOW + 10
    assert file.journal.access(TOKEN) is None
    assert (found := file.journal.of_grant(GRANT.id)) is not None
    assert (found.until, found.user) == (NOW + 20, USER)
    file.now = NOW + 20
    assert file.journal.of_grant(GRANT.id) is None


def test_a_compacted_journal_is_read_anew(file: File) -> None:
    """Whatever its size, and although its inode may be that of an earlier file."""
    file.append(token())
    file.journal.refresh()
    inode = file.path.stat().st_ino
    content = b"".join(map(line_of, (Head(id="two"), USER, GRANT, token("yha_" + "c" * 43), *[USER] * 10)))
    file.path.write_bytes(content)
    assert file.path.stat().st_ino == inode
    file.at += 0.5
    assert file.journal.access(TOKEN) is None
    assert file.journal.access("yha_" + "c" * 43) is not None


def test_half_a_line_is_read_when_it_is_whole(file: File) -> None:
    """A reader may come between two parts of a write; and a damaged last line can be cut off by the adapter."""
    line = line_of(token())
    for part in (line[:20], line[20:]):
        assert file.journal.access(TOKEN) is None
        with file.path.open("ab") as stream:
            stream.write(part)
        file.at += 0.5
    assert file.journal.access(TOKEN) is not None
    with file.path.open("ab") as stream:
        stream.write(b'{"t":"gra')
    file.journal.refresh()
    with file.path.open("r+b") as stream:
        stream.truncate(file.path.stat().st_size - len(b'{"t":"gra'))
    file.append(GrantEnd(id=GRANT.id))
    file.at += 0.5
    assert file.journal.access(TOKEN) is None


def test_no_token_is_let_in_while_the_journal_cannot_be_read(file: File, caplog: pytest.LogCaptureFixture) -> None:
    """An end that stands in it would be missed; once it can be read, all is as before."""
    file.append(token())
    assert file.journal.access(TOKEN) is not None
    content = file.path.read_bytes()
    file.path.unlink()
    file.path.mkdir()
    for _ in range(2):
        file.at += 0.5
        assert file.journal.access(TOKEN) is None
    assert file.journal.error == "Is a directory"
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    file.path.rmdir()
    file.path.write_bytes(content)
    file.at += 0.5
    assert file.journal.access(TOKEN) is not None
    assert file.journal.error == ""


def test_expired_tokens_do_not_stay_in_memory(file: File) -> None:
    """A thousand of them are dropped within a minute, and the valid one is kept."""
    file.append(*(token(f"yha_{number:043}", NOW + 1) for number in range(1000)), token())
    file.journal.refresh()
    file.now, file.at = NOW + 2, file.at + 60
    assert file.journal.access(TOKEN) is not None
    assert [record.hash for record in file.journal._state.tokens(GRANT.id)] == [token_hash(TOKEN)]
    assert file.journal._state.grant_of_token(token_hash(f"yha_{7:043}")) is None


OTHER = USER.model_copy(update={"id": "u0000000000000001", "sub": "2"})


def test_who_was_removed(file: File) -> None:
    """By a line that says so, or by a journal that lacks the user while this process looks; who returns is not."""
    file.append(OTHER)
    file.journal.refresh()
    assert not [user for user in (USER, OTHER) if file.journal.has_removed(user.id) or file.journal.lacks(user.id)]
    file.append(UserEnd(id=USER.id))
    file.journal.refresh()
    assert file.journal.has_removed(USER.id)
    assert file.journal.lacks(USER.id)
    file.replace("two", USER)
    file.journal.refresh()
    assert [file.journal.has_removed(user.id) for user in (USER, OTHER)] == [False, True]
    assert [file.reader().has_removed(user.id) for user in (USER, OTHER)] == [False, False]
    assert [file.reader().lacks(user.id) for user in (USER, OTHER)] == [False, True]


@pytest.mark.parametrize(
    "content", [None, b"", line_of(OTHER), line_of(Head(id="two")) + b"{damaged}\n", line_of(Head(id="two"))[:-1]]
)
def test_a_journal_that_is_not_whole_lacks_nobody(file: File, content: bytes | None) -> None:
    """Gone, empty, without its first line, damaged, or still being written: it says nothing of who was removed."""
    file.path.unlink()
    if content is not None:
        file.path.write_bytes(content)
    file.journal.refresh()
    for journal in (file.journal, file.reader()):
        assert not journal.has_removed(USER.id)
        assert not journal.lacks(USER.id)
    file.replace("three", OTHER)
    file.journal.refresh()
    assert file.journal.lacks(USER.id)


def test_a_journal_that_cannot_be_read_lacks_nobody(file: File) -> None:
    """As for a journal that is not whole."""
    file.path.unlink()
    file.path.mkdir()
    file.journal.refresh()
    assert file.journal.error
    assert not (file.journal.has_removed(USER.id) or file.journal.lacks(USER.id))
