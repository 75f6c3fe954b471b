"""Masks strings that look like secrets in free text. Every regular expression here takes linear time.

The text comes from servers, so to prevent denial of service (ReDoS) no expression may backtrack over more than a
bounded number of characters from any position: repetitions are possessive, bounded, or anchored by a lookbehind.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from bridge.masking.names import is_secret_assignment, is_secret_name

MASK = "***"

_CREDENTIALS = re.compile(r"(?i)\b(bearer\s{1,8}+|basic\s{1,8}+)(?=[a-z0-9._~+/=-]{16})[^\s&@\"'#,;\\]++")
_USERINFO = re.compile(r"://([^\s/?#\"'<>\\]*)@")
_PARAMETER = re.compile(r"([?&#;]|\\u0026)([\w.%\[\]-]{1,64}+)=([^\s&\"'#<>\\]++)")
_FLAG = re.compile(
    r"(?<![\w-])(--?([A-Za-z][\w.-]{0,63}+)(?:(=)|\s{1,8}+|[\"'],\s{0,8}+[\"']))([^\s\"',;\\-][^\s\"',;\\]*+)"
)
_ASSIGNMENT = re.compile(
    r"(?<![\w.-])(([A-Za-z_][\w.-]{0,63}+)(?:=|\\{0,8}+\"\s{0,8}+:\s{0,8}+\\{0,8}+(?=\")|=\\{0,8}+(?=\")))"
    r"(\"[^\"\\]++|[^\s&\"'#,;=\\][^\s&\"'#,;\\]*+)"
)
_TOKEN = re.compile(
    r"\bsk-[A-Za-z0-9_-]{16,}+|\bgh[pousr]_[A-Za-z0-9]{20,}+|\bgithub_pat_\w{20,}+|\bglpat-[\w-]{16,}+"
    r"|\bhf_[A-Za-z0-9]{20,}+|\bnpm_[A-Za-z0-9]{20,}+|\bxox[abeoprs]-[A-Za-z0-9-]{10,}+|\bAKIA[0-9A-Z]{16}\b"
    r"|\bAIza[\w-]{30,}+|\byh[acr]?_[\w-]{43,}+"
)
_DOTTED = re.compile(r"[\w.-]{20,}+")
_JWT_HEADER = "eyJ"
_JWT_PART = 8
"""Minimum length of each of the first two parts of a JSON Web Token."""


def mask_shapes(text: str) -> str:
    """Mask tokens of known formats, passwords in URLs, and values whose name indicates a secret."""
    if "earer" in text or "asic" in text or "EARER" in text or "ASIC" in text:
        text = _CREDENTIALS.sub(rf"\1{MASK}", text)
    if "://" in text:
        text = _USERINFO.sub(_masked_userinfo, text)
    if "=" in text:
        text = _PARAMETER.sub(_masked_parameter, text)
    if "=" in text or '"' in text:
        text = _ASSIGNMENT.sub(_masked_assignment, text)
    if "-" in text:
        text = _FLAG.sub(_masked_flag, text)
    text = _TOKEN.sub(MASK, text)
    return _DOTTED.sub(_masked_jwt, text) if _JWT_HEADER in text else text


def _masked_userinfo(match: re.Match[str]) -> str:
    """Mask the password; where there is no colon, all of it: a token instead of a user name."""
    user, colon, password = match[1].partition(":")
    secret = password if colon else user
    return f"://{user}:{MASK}@" if colon and secret else f"://{MASK}@" if secret else match[0]


def _masked_parameter(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}={MASK}" if is_secret_name(unquote(match[2])) else match[0]


def _masked_assignment(match: re.Match[str]) -> str:
    quote = '"' if match[3].startswith('"') else ""
    return f"{match[1]}{quote}{MASK}" if is_secret_assignment(match[2]) else match[0]


def _masked_flag(match: re.Match[str]) -> str:
    """Mask X in `--token=X`, and in `--token X` unless X looks like the next word of a sentence."""
    named = is_secret_name(match[2]) and (match[3] or len(match[4]) >= 16 or any(map(str.isdigit, match[4])))
    return f"{match[1]}{MASK}" if named else match[0]


def _masked_jwt(match: re.Match[str]) -> str:
    """Mask the JSON Web Tokens (RFC 7519: header, claims, signature) in a run of words separated by dots."""
    shown: list[str] = []
    parts = match[0].split(".")
    at = 0
    while at < len(parts):
        part = parts[at]
        begins = part.find(_JWT_HEADER)
        signed = at + 2 < len(parts) and len(parts[at + 1]) >= _JWT_PART
        if begins >= 0 and signed and len(part) - begins >= len(_JWT_HEADER) + _JWT_PART:
            shown.append(part[:begins] + MASK)
            at += 3
        else:
            shown.append(part)
            at += 1
    return ".".join(shown)
