"""Expands `${VAR}`, `${file:…}`, `${cmd:…}` and `${user.…}` references in a server's definition. Pure: the environment
and the values of files and commands (secret_sources/) are arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from bridge.masking.names import is_secret
from bridge.models import Launch, RemoteLaunch, ServerSpec, StdioLaunch
from sidecar.errors import VariableMissing
from sidecar.secret_sources.errors import UserClaimMissing, ValueInvalid

HEADER = "header "
"""How the names of places that are headers begin."""
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
"""What may stand in a header as it is; other characters of claims are percent-encoded UTF-8 (RFC 3986, 2.1)."""

_REFERENCE = re.compile(
    r"\$\$\{|\$\{(?:(?P<source>(?:file|cmd):/[^}]*)|user\.(?P<claim>id|sub|name|email)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?)\}"
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class ExpandedLaunch:
    """A launch with its references replaced.

    `secrets` are the values of those variables that `is_secret` regards as secret by their name and value, and of all
    files, commands and claims.
    """

    launch: Launch
    secrets: frozenset[str]


def expand(
    launch: Launch,
    environ: Mapping[str, str],
    values: Mapping[str, str] | None = None,
    claims: Mapping[str, str] | None = None,
) -> ExpandedLaunch:
    """Replace the references in command, args, env values, cwd, url and headers.

    `${VAR}` is the variable's value, `${VAR:-default}` the default when it is unset or empty (a default ends at the
    first `}`), `${file:/path}` and `${cmd:/program}` what `values` has for them, `${user.email}` and the like a claim
    of the user, for headers only; `$${` is a literal `${`. Nothing else is special: `$VAR`, `$(x)` and `${x!}` stay.

    Raises:
        VariableMissing: a variable is not set. The message names each one and where it is used; never a value.
        UserClaimMissing: there is no user, or the user has no such claim.
        ValueInvalid: a header would contain control characters, or a claim is used elsewhere.
    """
    expander = _Expander(environ, values or {}, claims or {})
    filled = _stdio(launch, expander.fill) if isinstance(launch, StdioLaunch) else _remote(launch, expander.fill)
    if expander.missing:
        raise VariableMissing(_missing_message(expander.missing), data={"variables": sorted(expander.missing)})
    return ExpandedLaunch(filled, frozenset(expander.secrets))


def sources_in(launch: Launch) -> tuple[str, ...]:
    """The references to files and commands in a launch, such as `file:/path`, each once."""
    found: dict[str, None] = {}

    def note(text: str, _: str) -> str:
        references_replaced(text, lambda match: found.setdefault(match["source"]) or "" if match["source"] else "")
        return text

    _stdio(launch, note) if isinstance(launch, StdioLaunch) else _remote(launch, note)
    return tuple(found)


def names_in(launch: Launch) -> frozenset[str]:
    """The names of the variables to which a launch refers."""
    found: set[str] = set()

    def note(match: re.Match[str]) -> str:
        if match["name"]:
            found.add(match["name"])
        return ""

    for text in _texts(launch):
        if "${" in text:
            references_replaced(text, note)
    return frozenset(found)


def _texts(launch: Launch) -> Iterable[str]:
    if isinstance(launch, StdioLaunch):
        return (launch.command, *launch.args, *launch.env.values(), launch.cwd or "")
    return (launch.url, *launch.headers.values())


def uses_claims(launch: Launch) -> bool:
    """Whether a header of a remote server contains a claim of the user, so that the connection is that user's own."""
    if not isinstance(launch, RemoteLaunch):
        return False
    return any(_has_claim(value) for value in launch.headers.values())


def without_claims(launch: Launch) -> Launch:
    """The launch without the headers that contain a claim of the user."""
    if not isinstance(launch, RemoteLaunch):
        return launch
    kept = {name: value for name, value in launch.headers.items() if not _has_claim(value)}
    return launch.model_copy(update={"headers": kept})


def _has_claim(text: str) -> bool:
    return any(match["claim"] for match in _REFERENCE.finditer(text))


def acts_for_user(spec: ServerSpec) -> bool:
    """Whether the hub acts at a server for each user: what it lists and answers is for that user only."""
    return spec.settings.sign_in == "user" or uses_claims(spec.launch)


def is_personal(spec: ServerSpec) -> bool:
    """Whether connections to a server are opened for a principal: with an account, or with its claims."""
    return isinstance(spec.launch, RemoteLaunch) and (spec.settings.sign_in != "none" or uses_claims(spec.launch))


def with_home(launch: StdioLaunch, environ: Mapping[str, str]) -> StdioLaunch:
    """Replace a leading `~` of `command` and `cwd` by the home directory, as a shell does.

    `args` and `env` stay as they are, since only the server knows which of these are paths.
    """
    home = environ.get("HOME", "")

    def fill(text: str) -> str:
        return home + text[1:] if home and (text == "~" or text.startswith("~/")) else text

    cwd = None if launch.cwd is None else fill(launch.cwd)
    return launch.model_copy(update={"command": fill(launch.command), "cwd": cwd})


def references_replaced(text: str, replace: Callable[[re.Match[str]], str]) -> str:
    """Replace each reference, and each `$${`, by the result of `replace`.

    Only the text up to the last `}` is searched, since no reference ends behind it: otherwise the expression would
    scan the rest from each `${` on, which takes quadratic time.
    """
    head, brace, tail = text.rpartition("}")
    return _REFERENCE.sub(replace, head + brace) + tail.replace("$${", "${")


_Fill = Callable[[str, str], str]


def _stdio(launch: StdioLaunch, fill: _Fill) -> StdioLaunch:
    changed = {
        "command": fill(launch.command, "command"),
        "args": tuple(fill(value, f"args[{index}]") for index, value in enumerate(launch.args)),
        "env": {key: fill(value, f"env {key}") for key, value in launch.env.items()},
        "cwd": None if launch.cwd is None else fill(launch.cwd, "cwd"),
    }
    return launch.model_copy(update=changed)


def _remote(launch: RemoteLaunch, fill: _Fill) -> RemoteLaunch:
    changed = {
        "url": fill(launch.url, "url"),
        "headers": {key: _checked(key, fill(value, f"{HEADER}{key}")) for key, value in launch.headers.items()},
    }
    return launch.model_copy(update=changed)


def _checked(name: str, value: str) -> str:
    """A value for a header. Raises ValueInvalid if it could end the header (RFC 9110, 5.5)."""
    if _CONTROL.search(value):
        raise ValueInvalid(f"The value of the header {name!r} contains control characters.")
    return value


def _missing_message(missing: Mapping[str, list[str]]) -> str:
    needs = "; ".join(f"{name} (needed by {', '.join(places)})" for name, places in sorted(missing.items()))
    return f"Neither variables.json nor the hub's environment has {needs}."


class _Expander:
    """Replaces references in texts; collects the secrets and the missing variables."""

    def __init__(self, environ: Mapping[str, str], values: Mapping[str, str], claims: Mapping[str, str]) -> None:
        self._environ = environ
        self._values = values
        self._claims = claims
        self.secrets: set[str] = set()
        self.missing: dict[str, list[str]] = {}

    def fill(self, text: str, place: str) -> str:
        def value(match: re.Match[str]) -> str:
            if match["source"]:
                return self._from_source(match["source"], place)
            if match["claim"]:
                return self._claim(match["claim"], place)
            return "${" if match["name"] is None else self._value(match["name"], match["default"], place)

        return references_replaced(text, value)

    def _from_source(self, reference: str, place: str) -> str:
        value = self._values.get(reference)
        if value is None:
            raise ValueInvalid(f"The reference to {reference.partition(':')[0]} in {place} cannot be used there.")
        self.secrets.add(value)
        return value

    def _claim(self, name: str, place: str) -> str:
        if not place.startswith(HEADER):
            raise ValueInvalid(f"${{user.{name}}} in {place} cannot be used there, but only in headers.")
        value = self._claims.get(name)
        if not value:
            raise UserClaimMissing(f"The {place} needs {name!r} of a user who has signed in.")
        if _CONTROL.search(value) or "\t" in value:
            raise ValueInvalid(f"The claim {name!r} of the user contains control characters.")
        return quote(value, safe=_PRINTABLE)

    def _value(self, name: str, default: str | None, place: str) -> str:
        value = self._environ.get(name)
        if default is not None and not value:
            return default
        if value is None:
            places = self.missing.setdefault(name, [])
            if place not in places:
                places.append(place)
            return ""
        if value and is_secret(name, value):
            self.secrets.add(value)
        return value
