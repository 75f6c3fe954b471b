"""Which URIs only templates that are switched off lead to. Pure.

A URI fits a template if it does so in the most generous reading of what is switched off, and in the narrowest one of
what is shown: servers differ in what a variable takes. Without regular expressions, in time proportional to the lengths
of template and URI.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from bridge.access.patterns import EVERY, matches

_EXPRESSION = re.compile(r"\{([^{}]*)\}")
_ACROSS_SEGMENTS = ("+", "#", "/", "?", "&")
"""Operators whose variables may have slashes (RFC 6570, section 2.2)."""


@dataclass(frozen=True, slots=True)
class Template:
    """A URI template as patterns, in lower case: as it is, and decoded."""

    patterns: tuple[str, ...]
    across: bool
    """Whether one of its variables may have slashes."""

    @classmethod
    def of(cls, text: str) -> Template:
        """Read a template; what is not well-formed in it stands for itself."""
        expressions = _EXPRESSION.findall(text)
        pattern = _EXPRESSION.sub(EVERY, text).lower()
        across = any(each.startswith(_ACROSS_SEGMENTS) or each.endswith("*") for each in expressions)
        return cls(tuple(dict.fromkeys((pattern, unquote(pattern)))), across)

    def takes(self, uri: str) -> bool:
        """Whether a URI fits, if each variable may be anything."""
        return any(matches(each, uri) for each in self.patterns)

    def makes(self, uri: str) -> bool:
        """Whether a URI fits, if only variables that are declared so have slashes."""
        if self.across:
            return self.takes(uri)
        parts = uri.split("/")
        found = (each.split("/") for each in self.patterns)
        return any(len(each) == len(parts) and all(map(matches, each, parts)) for each in found)


@dataclass(frozen=True, slots=True)
class HiddenTemplates:
    """The templates of a server that are not shown, beside those that are."""

    hidden: tuple[Template, ...]
    shown: tuple[Template, ...]

    def hide(self, uri: str) -> bool:
        """Whether a URI fits a template, but none that is shown."""
        uri = uri.lower()
        return any(each.takes(uri) for each in self.hidden) and not any(each.makes(uri) for each in self.shown)


def hidden_templates(listed: Iterable[str], shown: Iterable[str]) -> HiddenTemplates | None:
    """Of the templates that a server lists, and those that are shown; None if all are."""
    kept = frozenset(shown)
    hidden = dict.fromkeys(each for each in listed if each not in kept)
    if not hidden:
        return None
    return HiddenTemplates(tuple(map(Template.of, hidden)), tuple(map(Template.of, sorted(kept))))
