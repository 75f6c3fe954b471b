"""Whole files: what is accepted, and what is held because it says nothing."""

from __future__ import annotations

import pytest

from yamcp_ui_adapter.errors import FileUnusable
from yamcp_ui_adapter.format.document import is_encodable, read_document


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "FILE_EMPTY"),
        (b" \r\n\t", "FILE_EMPTY"),
        (b"\xef\xbb\xbf", "FILE_EMPTY"),
        (b"\0\0\0", "FILE_EMPTY"),
        (b'{"a": {"type"', "FILE_UNPARSABLE"),
        (b'{"a": [],}', "FILE_UNPARSABLE"),
        (b'{"a": NaN}', "FILE_UNPARSABLE"),
        (b'{"a": "\xff"}', "FILE_UNPARSABLE"),
        (b"[" * 100_000, "FILE_UNPARSABLE"),
        (b'{"a": ' + b"1" * 5000 + b"}", "FILE_UNPARSABLE"),
        (b"null", "FILE_NOT_OBJECT"),
        (b"[]", "FILE_NOT_OBJECT"),
        (b'"text"', "FILE_NOT_OBJECT"),
        (b"1.5", "FILE_NOT_OBJECT"),
        (b"true", "FILE_NOT_OBJECT"),
    ],
)
def test_a_file_that_says_nothing_is_refused_as_a_whole(raw: bytes, code: str) -> None:
    """Empty, cut short, or of another form: the caller has to hold what it had."""
    with pytest.raises(FileUnusable) as caught:
        read_document(raw, "providers.json")
    assert caught.value.issue.code == code
    assert caught.value.issue.subject == "file:providers.json"


def test_a_missing_file_is_an_empty_object() -> None:
    """YAMCP deletes its file with the last entry."""
    assert read_document(None, "providers.json") == ({}, [])


def test_a_byte_order_mark_and_trailing_whitespace_are_accepted() -> None:
    """Editors add both."""
    assert read_document(b'\xef\xbb\xbf{"a": 1}\r\n \n', "providers.json") == ({"a": 1}, [])


def test_the_same_name_twice_is_reported_and_the_last_one_counts() -> None:
    """As JSON.parse has it, but not silently."""
    content, issues = read_document(b'{"a": 1, "b": 2, "a": 3}', "hub.json")
    assert content == {"a": 3, "b": 2}
    assert [found.code for found in issues] == ["KEY_DUPLICATE"]


def test_the_place_of_a_syntax_error_is_named_and_its_text_is_not() -> None:
    """A person needs the line; nobody needs the secret on it."""
    with pytest.raises(FileUnusable) as caught:
        read_document(b'{\n  "TOKEN": "s3cret",\n}', "providers.json")
    assert "line 3" in caught.value.issue.message
    assert "s3cret" not in caught.value.issue.model_dump_json()


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a", True), ({"ü": ["\\u0000"]}, True), ("\0", False), ({"\ud800": 1}, False), (["x", {"a": "\udfff"}], False)],
)
def test_what_no_process_and_no_wire_takes_is_told_apart(value: object, expected: bool) -> None:
    """NULs and lone surrogates; an escaped backslash before u0000 is neither."""
    assert is_encodable(value) is expected
