"""Looks in the texts of tools for signs of poisoning, without a network. Pure.

Each check is a hint for the person who decides: it finds common tricks, not all of them, and finding none proves
nothing. `docs/trust.md` lists the checks.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

MAX_TEXT = 8000
"""Characters of one description that are not yet suspicious."""
MAX_CHECKED = 200_000
"""Characters of one text that are looked at."""

_INVISIBLE = re.compile(
    "[\u00ad\u180e\u200b\u2060-\u2064\u206a-\u206f\ufeff\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_OVERRIDE = re.compile(
    r"(?i)\b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|other|system|all)\b"
    r"[^.\n]{0,30}\b(?:instruction|prompt|rule|message|direction|guideline)"
)
_TAGS = re.compile(
    r"(?i)<\s*/?\s*(?:important|system|instructions?|secret|hidden|admin|assistant)\s*>|\[/?(?:INST|SYSTEM)\]"
)
_CONCEAL = re.compile(
    r"(?i)\b(?:do not|don't|never|without|must not|avoid)\b[^.\n]{0,30}\b(?:tell|telling|inform|informing|mention|"
    r"mentioning|reveal|revealing|notify|notifying|show|alert|alerting)\b"
    r"[^.\n]{0,30}\b(?:the )?(?:user|human|person|anyone)\b"
)
_FILES = re.compile(
    r"(?i)(?<![\w.-])(?:(?:~|\$HOME|/home/\w{1,64}|/root)?/)?\.(?:ssh|aws|gnupg|kube|netrc|git-credentials)\b|\bid_(?:rsa|ed25519)\b"
    r"|/etc/(?:passwd|shadow)\b|~/\.(?:env|cursor|config/)"
)
_TAKE_SECRETS = re.compile(
    r"(?i)\b(?:send|include|pass|provide|append|attach|upload|leak|forward)\b[^.\n]{0,60}\b(?:user'?s?|your|"
    r"system|all|full|entire|its)\b[^.\n]{0,30}\b(?:api[ _-]?keys?|passwords?|credentials?|private keys?|secrets?|"
    r"conversation|chat history|system prompt|environment variables)\b"
)
_OTHER_TOOLS = re.compile(
    r"(?i)\b(?:before|whenever|instead of|every time|always|after)\b[^.\n]{0,40}\b(?:using|calling|invoking|use|call|"
    r"invoke)\b[^.\n]{0,20}\b(?:any|every|all|other|another)\b[^.\n]{0,15}\btools?\b"
)
_EXFILTRATION = re.compile(
    r"(?i)\bhttps?://[^\s\"'<>]{1,200}[?&][\w-]{1,32}=(?:\{|\$|<|%7b|\[)"
    r"|\b(?:send|post|upload|forward|exfiltrate|report)\b[^.\n]{0,60}\bto https?://"
)
_BASE64 = re.compile(
    r"(?<![\w+/=:;,-])(?=[A-Za-z0-9+/]*[0-9])(?=[A-Za-z0-9+/]*[a-z])(?=[A-Za-z0-9+/]*[A-Z])[A-Za-z0-9+/]{80,}={0,2}"
)

Check = Callable[[str], bool]


def _matches(expression: re.Pattern[str]) -> Check:
    return lambda text: expression.search(text) is not None


def _homoglyph(text: str) -> bool:
    """Whether a word mixes Latin letters with Greek or Cyrillic ones."""
    for word in re.findall(r"[^\W\d_]{3,}", text):
        if not word.isascii():
            scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in word}
            if "LATIN" in scripts and scripts & {"CYRILLIC", "GREEK"}:
                return True
    return False


CHECKS: tuple[tuple[str, Check], ...] = (
    ("invisible characters, which people do not see and models read", _matches(_INVISIBLE)),
    ("characters that reverse the direction of text, so that it reads otherwise than it is", _matches(_BIDI)),
    ("an order to ignore other instructions", _matches(_OVERRIDE)),
    ("markup that pretends to be the system's or an instruction", _matches(_TAGS)),
    ("an order to hide something from the user", _matches(_CONCEAL)),
    ("files that hold keys and passwords", _matches(_FILES)),
    ("an order to hand over secrets or the conversation", _matches(_TAKE_SECRETS)),
    ("orders about the use of other tools", _matches(_OTHER_TOOLS)),
    ("an address to which data would be sent", _matches(_EXFILTRATION)),
    ("a long block that looks like base64", _matches(_BASE64)),
    ("words of letters that only look like Latin ones", _homoglyph),
    (f"a text of more than {MAX_TEXT} characters", lambda text: len(text) > MAX_TEXT),
)
"""What each check says, and the check of one text."""


def hints_of(kind: str, name: str, form: bytes) -> tuple[str, ...]:
    """What the checks find in an item's canonical form, each once, with the place of the first finding."""
    found: dict[str, str] = {}
    for where, text in _texts(json.loads(form), ""):
        for says, check in CHECKS:
            if says not in found and check(text[:MAX_CHECKED]):
                found[says] = where
    subject = f"{kind} {name}".rstrip()
    return tuple(f"{subject}, {where}: {says}" for says, where in found.items())


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """All texts at any depth but icons, with their places; names of members count as texts."""
    if isinstance(value, str):
        yield where or "text", value
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, where)
    elif isinstance(value, dict):
        for key, each in value.items():
            if not where and key == "icons":
                continue
            inner = f"{where}.{key}" if where else key
            yield inner, key
            yield from _texts(each, inner)
