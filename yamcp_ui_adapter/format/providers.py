"""Parses providers.json entry by entry: an unusable entry does not affect the others. Pure."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bridge.masking.names import is_open_variable
from bridge.models import FRAMING_HEADERS, OWN_HEADERS, Issue, Launch, RemoteLaunch, StdioLaunch
from yamcp_ui_adapter.errors import issue
from yamcp_ui_adapter.format.command_line import is_command_line, packed_arguments
from yamcp_ui_adapter.format.document import is_encodable, json_type, read_document
from yamcp_ui_adapter.format.entries import PROVIDERS, ServerEntry, ServersFile

WRAPPER = "mcpServers"
HTTP_TYPES = frozenset({"http", "streamable-http", "streamablehttp", "streamable_http"})
WEBSOCKET_TYPES = frozenset({"websocket", "ws"})
OUTER_FIELDS = frozenset({"namespace", "type", "providerParameters"})
INNER_FIELDS = frozenset({"command", "args", "env", "cwd", "url", "headers"})
FIELDS = OUTER_FIELDS | INNER_FIELDS
TILDE = re.compile(r"(?:^|=)~(?:/|$)")
REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_]\w*)(?::-[^}]*)?\}", re.ASCII)
"""A `${VAR}` that the sidecar expands, or the escape `$${`, which it does not."""


class BadEntry(Exception):
    """An entry is unusable; has the code and message of the issue to report."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def parse_providers(raw: bytes | None, last: ServersFile) -> ServersFile:
    """Return every usable entry; an entry that became unusable keeps its version from `last`, marked stale.

    Raises:
        FileUnusable: the file as a whole is unusable.
    """
    document = read_document(raw, PROVIDERS)
    issues = document.issues
    entries: dict[str, ServerEntry] = {}
    unusable: list[str] = []
    for key, value in _all_entries(document.content, issues).items():
        parser = _EntryParser(key, issues)
        try:
            entries[key] = parser.parse(value)
        except BadEntry as error:
            held = last.entries.get(key)
            parser.report(error.code, f"{error.message} {_outcome(held)}")
            if held:
                entries[key] = held.model_copy(update={"stale": True})
            else:
                unusable.append(key)
    return ServersFile(
        entries=entries, unusable=tuple(key for key in unusable if is_encodable(key)), issues=tuple(issues)
    )


def _outcome(held: ServerEntry | None) -> str:
    return "Its last good version stays in use." if held else "It is left out."


def wrapped_entries(content: dict[str, Any]) -> dict[str, Any] | None:
    """Return the entries inside `mcpServers`, the wrapper of other clients' files; None if there is no wrapper."""
    inner = content.get(WRAPPER)
    return None if not isinstance(inner, dict) or FIELDS & inner.keys() else inner


def check_entry(key: str, entry: dict[str, Any]) -> tuple[ServerEntry, tuple[Issue, ...]]:
    """Return an entry as it would be used, and the issues that would be reported for it.

    Raises:
        BadEntry: the entry is unusable.
    """
    issues: list[Issue] = []
    return _EntryParser(key, issues).parse(entry), tuple(issues)


def _all_entries(content: dict[str, Any], issues: list[Issue]) -> dict[str, Any]:
    """Return the entries of the top level and of the wrapper together."""
    inner = wrapped_entries(content)
    if inner is None:
        return content
    message = f"{len(inner)} of the entries of {PROVIDERS} stand inside {WRAPPER!r}; they are used."
    issues.append(issue("FILE_WRAPPED", f"file:{PROVIDERS}", PROVIDERS, message))
    return {**inner, **{key: value for key, value in content.items() if key != WRAPPER}}


class _Parts(NamedTuple):
    outer: dict[str, Any]
    parameters: dict[str, Any]
    flat: bool


class _EntryParser:
    """Parses one entry, and adds the issues that it finds to a list."""

    def __init__(self, key: str, issues: list[Issue]) -> None:
        self._key = key
        self._issues = issues

    def report(self, code: str, message: str) -> None:
        """Add an issue about this server."""
        text = f"Server {self._key!r}: {message}"
        self._issues.append(issue(code, f"server:{self._key}", PROVIDERS, text))

    def parse(self, value: object) -> ServerEntry:
        """Return the entry as it will be used.

        Raises:
            BadEntry: the entry is unusable.
        """
        parts = self._parts(value)
        launch = self._launch(parts)
        if parts.flat:
            self.report("SERVER_FLAT", "its command or url stands at the top of its entry; it is used.")
        if self._key == "undefined":
            self.report("KEY_UNDEFINED", "it was saved without a name.")
        self._report_unknown(parts)
        return ServerEntry(key=self._key, namespace=self._namespace(parts), launch=launch)

    def _parts(self, value: object) -> _Parts:
        if not isinstance(value, dict):
            raise BadEntry("SERVER_ENTRY_INVALID", f"its entry is {json_type(value)}, not an object.")
        if not is_encodable({self._key: value}):
            raise BadEntry("SERVER_ENTRY_INVALID", "it holds a NUL or half a character.")
        if "providerParameters" not in value:
            return _Parts(value, value, flat=True)
        parameters = value["providerParameters"]
        if not isinstance(parameters, dict):
            raise BadEntry(
                "SERVER_ENTRY_INVALID", f"its `providerParameters` is {json_type(parameters)}, not an object."
            )
        return _Parts(value, parameters, flat=False)

    def _namespace(self, parts: _Parts) -> str:
        namespace = parts.outer.get("namespace")
        if isinstance(namespace, str) and namespace:
            return namespace
        if not parts.flat:
            self.report("NAMESPACE_MISSING", "it has no namespace; its key is used.")
        return self._key

    def _report_unknown(self, parts: _Parts) -> None:
        known = FIELDS if parts.flat else OUTER_FIELDS
        unknown = set(parts.outer) - known | (set() if parts.flat else set(parts.parameters) - INNER_FIELDS)
        if unknown:
            names = ", ".join(repr(name) for name in sorted(unknown))
            self.report("SERVER_FIELD_UNKNOWN", f"nothing reads its fields {names}.")

    def _launch(self, parts: _Parts) -> Launch:
        kind = parts.outer.get("type") or ("url" if "url" in parts.parameters else "stdio")
        kind = kind.lower() if isinstance(kind, str) else ""
        if kind == "stdio":
            return self._stdio(parts.parameters)
        if kind in ("sse", "url"):
            return self._remote(parts.parameters, "sse" if kind == "sse" else "auto")
        if kind in HTTP_TYPES:
            return self._remote(parts.parameters, "http")
        if kind in WEBSOCKET_TYPES:
            return self._remote(parts.parameters, "websocket")
        raise BadEntry("SERVER_TYPE_UNKNOWN", "its `type` is none of stdio, sse, http, websocket.")

    def _stdio(self, parameters: dict[str, Any]) -> StdioLaunch:
        command = parameters.get("command")
        if not isinstance(command, str) or not command.strip():
            raise BadEntry("SERVER_NO_COMMAND", "it has no `command`.")
        command, args = command.strip(), self._args(parameters.get("args"))
        if is_command_line(command, args):
            self.report("COMMAND_HAS_SPACES", "its `command` holds a program and arguments.")
        if places := packed_arguments(command, args):
            numbers = ", ".join(str(place + 1) for place in places)
            self.report("ARGUMENT_HAS_SPACES", f"in its `args`, number {numbers} holds several arguments.")
        if shown := shown_variables((command, *args)):
            names = ", ".join(f"${{{name}}}" for name in shown)
            self.report("VARIABLE_IN_ARGS", f"what {names} stands for shows in the list of processes.")
        env = self._text_mapping("env", parameters.get("env"))
        self._report_tildes(args, env)
        return StdioLaunch(command=command, args=args, env=env, cwd=self._cwd(parameters.get("cwd")))

    def _report_tildes(self, args: tuple[str, ...], env: dict[str, str]) -> None:
        places = [f"argument {place + 1} of its `args`" for place, text in enumerate(args) if TILDE.search(text)]
        places += [f"{name!r} in its `env`" for name, text in env.items() if TILDE.match(text)]
        if places:
            self.report("TILDE_KEPT", f"`~` is passed on as it is in {', '.join(places)}.")

    def _args(self, value: object) -> tuple[str, ...]:
        if value is None:
            return ()
        if not isinstance(value, list):
            raise BadEntry("SERVER_ENTRY_INVALID", f"its `args` is {json_type(value)}, not a list.")
        args = [as_text(item) for item in value]
        for place, (item, text) in enumerate(zip(value, args, strict=True)):
            if text is None:
                raise BadEntry("SERVER_ENTRY_INVALID", f"argument {place + 1} of its `args` is {json_type(item)}.")
            if not isinstance(item, str):
                self.report("ENV_CONVERTED", f"argument {place + 1} of its `args` was turned into text.")
        return tuple(text for text in args if text is not None)

    def _cwd(self, value: object) -> str | None:
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise BadEntry("SERVER_ENTRY_INVALID", f"its `cwd` is {json_type(value)}, not text.")
        return value

    def _text_mapping(self, field: str, value: object) -> dict[str, str]:
        """Return `env` or `headers` as a mapping of text to text; a value of another type is left out and reported."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise BadEntry("SERVER_ENTRY_INVALID", f"its `{field}` is {json_type(value)}, not an object.")
        texts: dict[str, str] = {}
        for name, item in value.items():
            text = as_text(item)
            if text is None or not name or (field == "env" and "=" in name):
                self.report("ENV_INVALID", f"{name!r} in its `{field}` ({json_type(item)}) is left out.")
                continue
            if not isinstance(item, str):
                self.report("ENV_CONVERTED", f"{name!r} in its `{field}` was turned into text.")
            texts[name] = text
        return texts

    def _remote(self, parameters: dict[str, Any], transport: Any) -> RemoteLaunch:
        url = parameters.get("url")
        if not isinstance(url, str) or not url.strip():
            raise BadEntry("SERVER_URL_INVALID", "it has no `url`.")
        if is_websocket(url.strip()):
            transport = "websocket"
        elif transport == "websocket" and "${" not in url:
            raise BadEntry("SERVER_URL_INVALID", "its `type` is websocket, its `url` no ws:// or wss:// address.")
        if not usable_url(url.strip()):
            raise BadEntry("SERVER_URL_INVALID", "its `url` is not an http://, https://, ws:// or wss:// address.")
        headers = self._headers(parameters.get("headers"))
        return RemoteLaunch(url=url.strip(), headers=headers, transport=transport)

    def _headers(self, value: object) -> dict[str, str]:
        """Return the headers without those that the hub sets itself, which are reported."""
        headers = self._text_mapping("headers", value)
        owned = [name for name in headers if name.lower() in FRAMING_HEADERS | OWN_HEADERS]
        for name in owned:
            del headers[name]
        if owned:
            names = ", ".join(repr(name) for name in owned)
            self.report("HEADER_OWNED", f"{names} in its `headers` is the hub's own to set; it is left out.")
        return headers


def shown_variables(words: tuple[str, ...]) -> list[str]:
    """Return the variables that a command line refers to, without duplicates and without those that are known not to be
    secret. Their values appear in the list of processes.
    """
    ended = (word[: word.rfind("}") + 1] for word in words)  # no reference ends behind: searching there is quadratic
    names = {match[1] for word in ended for match in REFERENCE.finditer(word) if match[1]}
    return sorted(name for name in names if not is_open_variable(name))


def as_text(value: object) -> str | None:
    """Return text unchanged, and numbers and booleans as JavaScript prints them; None for other types."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if (
        isinstance(value, float) and value.is_integer() and abs(value) < 1e21
    ):  # 1e21: there JavaScript turns to exponents
        return str(int(value))
    return str(value) if isinstance(value, int | float) else None


def is_websocket(url: str) -> bool:
    """Return whether a URL's scheme is `ws` or `wss`."""
    return url.lower().startswith(("ws://", "wss://"))


def usable_url(url: str) -> bool:
    """Return whether a URL is absolute and its scheme HTTP's or WebSocket's, as far as this is visible before `${VAR}`
    is expanded.
    """
    if "${" in url:
        return True
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https", "ws", "wss")
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        return False
