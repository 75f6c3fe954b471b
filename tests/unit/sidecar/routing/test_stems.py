"""Words of texts and names, and their stems."""

from __future__ import annotations

import pytest

from sidecar.routing.stems import MAX_WORD, stem, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("listDirectory", ["list", "directory"]),
        ("API-get-users", ["api", "get", "users"]),
        ("HTTPRequest v2 sha256", ["http", "request", "v", "2", "sha", "256"]),
        ("create_or_update_file", ["create", "or", "update", "file"]),
        ("Größe 東京", ["gr", "öß", "e", "東京"]),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    """Names are split at separators, capitals and digits."""
    assert list(words(text)) == expected


def test_a_long_word_is_cut() -> None:
    """Base64 in a description costs no memory."""
    assert [len(word) for word in words("a" * 10_000)] == [MAX_WORD]


@pytest.mark.parametrize(
    ("forms", "expected"),
    [
        (("list", "lists", "listed", "listing"), "list"),
        (("create", "creates", "created", "creating"), "creat"),
        (("query", "queries"), "queri"),
        (("validate", "validates", "validation"), "valid"),
        (("relational", "relate"), "relat"),
        (("caresses",), "caress"),
        (("hopping",), "hop"),
        (("agreed",), "agre"),
        (("happy",), "happi"),
        (("adjustable", "adjustment"), "adjust"),
        (("rolling", "roll"), "roll"),
        (("sha1", "東京", "go"), None),
    ],
)
def test_stems(forms: tuple[str, ...], expected: str | None) -> None:
    """Forms of a word have one stem, as in Porter's paper; what is no English word stays as it is."""
    assert [stem(form) for form in forms] == [expected or form for form in forms]
