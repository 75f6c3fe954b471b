"""Resource URIs in workspaces with prefixes: each server's URIs get the server's label. Pure; docs/adr/0003.

scheme://rest   <->  scheme://<label>/rest
file:///path    <->  file://<label>/path           (clients' URL parsers would swallow one of two slashes)
scheme:rest     <->  scheme:<label>/rest
anything else   <->  hub://<label>/<the whole>     (templates such as `{+uri}`, scheme `hub`, `https:x`,
                                                    `file://host/`, `file:///C:/`)
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from pydantic_core import Url

from sidecar.features.names import digest
from sidecar.protocol.large_values import LargeItems

Rename = Callable[[str], str]
"""Maps a URI to its exposed or to its original form."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?(.*)", re.DOTALL)
_STRIPPABLE = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?([a-z][a-z0-9-]*)/(.*)", re.DOTALL)
_LOCAL_PATH = re.compile(r"/(?!/|[A-Za-z][:|])")  # before a drive letter, parsers drop the host
_HIERARCHICAL = frozenset({"http", "https", "ws", "wss", "ftp", "file"})  # parsers read `https:x` as `https://x`
_OUTSIDE_LABEL = re.compile(r"[^a-z0-9]+")
_LONGEST_LABEL = 40
_MAX_DECODINGS = 3
_NOT_PARSED = dict.fromkeys(map(ord, "\t\r\n"))
_STRIPPED = "".join(map(chr, range(0x21)))
_QUERY = re.compile(r"([^?#]*)([?#]?)(.*)", re.DOTALL)
_ASCII_KEPT = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "\"'<>`{}")


def labels(namespaces: Mapping[str, str]) -> dict[str, str]:
    """Map server keys to unique labels: the namespace in lower case, with runs of other characters replaced by `-`.

    A hash of the key is appended if the namespace has characters other than letters, digits, `-` and `_`, if it is too
    long, or if another server's label would be the same. Labels depend on the configuration only, not on which servers
    are running.
    """
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for key, namespace in namespaces.items():
        wanted[_label(namespace)].append(key)
    result = {}
    for label, keys in wanted.items():
        for key in keys:
            alone = len(keys) == 1 and _faithful(namespaces[key], label)
            result[key] = label if alone else f"{label}-{digest(key)[:8]}"
    return _unique(result)


def prefix(uri: str, label: str) -> str:
    """Add a server's label to its URI or URI template; the reverse of `strip`."""
    match = _SCHEME.fullmatch(uri)
    scheme = match[1].lower() if match else ""
    if match is None or scheme == "hub":
        return f"hub://{label}/{uri}"
    slashes, rest = match[2], match[3]
    if scheme == "file":
        return f"{match[1]}://{label}{rest}" if slashes and _LOCAL_PATH.match(rest) else f"hub://{label}/{uri}"
    if slashes:
        return f"{match[1]}://{label}/{rest}"
    return f"hub://{label}/{uri}" if scheme in _HIERARCHICAL else f"{match[1]}:{label}/{rest}"


def strip(uri: str) -> tuple[str, str] | None:
    """Split a URI made by `prefix` into label and original URI; None if it cannot be one."""
    match = _STRIPPABLE.fullmatch(uri)
    if match is None:
        return None
    scheme, slashes, label, rest = match.groups()
    if scheme.lower() == "hub":
        return (label, rest) if slashes else None
    if scheme.lower() == "file":
        return (label, f"{scheme}:///{rest}") if slashes else None
    return label, f"{scheme}:{slashes or ''}{rest}"


def is_absolute(uri: str) -> bool:
    """Whether the Python SDK before version 2 accepts this resource URI; it rejects a whole list with any other."""
    try:
        Url(uri)
    except ValueError:
        return False
    return True


def equivalent(uri: str) -> frozenset[str]:
    """The URI, and the forms that a server may read it as: decoded, and without what parsers of URLs remove.

    Decoding is repeated `_MAX_DECODINGS` times, with a form of each stage.
    """
    forms = {uri}
    for _ in range(_MAX_DECODINGS):
        uri = unquote(uri)
        forms.add(uri)
    return frozenset(itertools.chain.from_iterable((form, _parsed(form)) for form in forms))


def _parsed(uri: str) -> str:
    """A URI as parsers of URLs read it: without tabs and line ends (WHATWG URL, 4.4), the scheme (and the host, where
    it is a domain) in lower case, and without dot segments in the path (RFC 3986, section 5.2.4)."""
    scheme, colon, rest = uri.translate(_NOT_PARSED).strip(_STRIPPED).partition(":")
    path, mark, behind = _QUERY.match(rest).groups()  # type: ignore[union-attr]  # it matches any text
    kept: list[str] = []
    for segment in path.replace("\\", "/").split("/"):
        if segment == ".." and kept and kept[-1]:
            kept.pop()
        elif segment not in (".", ".."):
            kept.append(segment)
    if scheme.lower() in _HIERARCHICAL and len(kept) > 2:
        kept[2] = kept[2].lower()
    return f"{scheme.lower()}{colon}{'/'.join(kept)}{mark}{behind}"


class Originals:
    """The URIs that a server listed, with lookup by their normalised forms: clients' URL parsers normalise URIs."""

    def __init__(self, uris: Iterable[str]) -> None:
        self._exact = frozenset(uris)
        found: dict[str, str | None] = {}
        for uri in self._exact:
            found[_normal(uri)] = None if _normal(uri) in found else uri
        self._normal = {normal: uri for normal, uri in found.items() if uri is not None}

    def has(self, uri: str) -> bool:
        """Whether the server listed `uri`, or a URI with the same normalised form."""
        return uri in self._exact or _normal(uri) in self._normal

    def has_scheme(self, scheme: str) -> bool:
        """Whether the server listed a URI with this scheme."""
        return any(uri.lower().startswith(f"{scheme}:") for uri in self._exact)

    def restore(self, uri: str) -> str:
        """The listed URI with the same normalised form as `uri`; `uri` itself if there is none or more than one."""
        return uri if uri in self._exact else self._normal.get(_normal(uri), uri)


def rewrite_result(method: str, result: dict[str, Any], rename: Rename) -> dict[str, Any]:
    """Rename the URIs in the result of `method`; returns the same object if it has none. The input is not modified.

    For notifications and requests from a server, `result` is their params.
    """
    rewriter = _REWRITERS.get(method)
    result = _asked(result, rename) if "inputRequests" in result else result
    return result if rewriter is None else rewriter(result, rename)


def _label(namespace: str) -> str:
    label = _OUTSIDE_LABEL.sub("-", namespace.lower())[:_LONGEST_LABEL].strip("-")
    # A host that begins with a digit may be read as an IPv4 address, and `localhost` is dropped from file URLs.
    return label if label and label[0].isalpha() and label != "localhost" else f"s-{label}".rstrip("-")


def _faithful(namespace: str, label: str) -> bool:
    return namespace.lower().replace("_", "-") == label


def _unique(found: dict[str, str]) -> dict[str, str]:
    """Replace labels that are still equal by a hash of the server key."""
    counts: defaultdict[str, int] = defaultdict(int)
    for label in found.values():
        counts[label] += 1
    return {key: label if counts[label] == 1 else f"s-{digest(key)[:32]}" for key, label in found.items()}


def _normal(uri: str) -> str:
    scheme, colon, rest = uri.partition(":")
    return scheme.lower() + colon + quote(rest, safe=_ASCII_KEPT, errors="surrogatepass")


# --- results: each function returns its argument if there is nothing to rename -----------------------------------


def _uri_of(holder: dict[str, Any], rename: Rename, field: str = "uri") -> dict[str, Any]:
    uri = holder.get(field)
    return {**holder, field: rename(uri)} if isinstance(uri, str) else holder


def _each(
    holder: dict[str, Any], field: str, rename: Rename, change: Callable[[dict[str, Any], Rename], dict[str, Any]]
) -> dict[str, Any]:
    items = holder.get(field)
    if type(items) is not list:
        if isinstance(items, LargeItems):
            return {**holder, field: items.changed(lambda item: change(item, rename) if type(item) is dict else item)}
        return holder
    changed = None
    for number, item in enumerate(items):
        if isinstance(item, dict) and (new := change(item, rename)) is not item:
            changed = changed or items.copy()
            changed[number] = new
    return holder if changed is None else {**holder, field: changed}


def _block(block: dict[str, Any], rename: Rename) -> dict[str, Any]:
    kind = block.get("type")
    if kind == "resource_link":
        return _uri_of(block, rename)
    if kind == "resource":
        return _inside(block, "resource", rename, _uri_of)
    if kind == "tool_result":  # in messages of sampling
        return _each(block, "content", rename, _block)
    return block


def _inside(
    holder: dict[str, Any], field: str, rename: Rename, change: Callable[[dict[str, Any], Rename], dict[str, Any]]
) -> dict[str, Any]:
    inner = holder.get(field)
    if not isinstance(inner, dict):
        return holder
    changed = change(inner, rename)
    return holder if changed is inner else {**holder, field: changed}


def _message(message: dict[str, Any], rename: Rename) -> dict[str, Any]:
    message = _each(message, "content", rename, _block)
    return _inside(message, "content", rename, _block)


def _messages(holder: dict[str, Any], rename: Rename) -> dict[str, Any]:
    return _each(holder, "messages", rename, _message)


def _called(result: dict[str, Any], rename: Rename) -> dict[str, Any]:
    content = result.get("content")
    alone = content[0] if type(content) is list and len(content) == 1 else None
    if type(alone) is not dict or alone.get("type") != "text":  # a text has no URI, and is all that most results have
        result = _each(result, "content", rename, _block)
    return _inside(result, "_meta", rename, _ui_meta) if "_meta" in result else result


def _asked(result: dict[str, Any], rename: Rename) -> dict[str, Any]:
    """Rename the URIs in input requests (MCP 2026-07-28, `InputRequiredResult`)."""
    requests = result.get("inputRequests")
    if not isinstance(requests, dict):
        return result
    changed = {key: _request(each, rename) if isinstance(each, dict) else each for key, each in requests.items()}
    return result if all(changed[key] is requests[key] for key in requests) else {**result, "inputRequests": changed}


def _request(request: dict[str, Any], rename: Rename) -> dict[str, Any]:
    rewriter = _REWRITERS.get(str(request.get("method")))
    return _inside(request, "params", rename, rewriter) if rewriter else request


def _ui_meta(meta: dict[str, Any], rename: Rename) -> dict[str, Any]:
    meta = _inside(meta, "ui", rename, lambda ui, rename: _uri_of(ui, rename, "resourceUri"))
    meta = _uri_of(meta, rename, "ui/resourceUri")
    return _uri_of(meta, rename, "openai/outputTemplate")


def _tool(tool: dict[str, Any], rename: Rename) -> dict[str, Any]:
    return _inside(tool, "_meta", rename, _ui_meta)


def _resources(result: dict[str, Any], rename: Rename) -> dict[str, Any]:
    return _each(result, "resources", rename, _uri_of)


def _skill(skill: dict[str, Any], rename: Rename) -> dict[str, Any]:
    """Rename the URIs of a skill (SEP-2640), but not in its frontmatter: clients compare that with the file."""
    return _resources(_uri_of(skill, rename), rename)


def _task(task: dict[str, Any], rename: Rename) -> dict[str, Any]:
    """Rename the URIs in the result of a completed task (SEP-2663); `_asked` handles its input requests."""
    return _inside(task, "result", rename, _called)


def _template(template: dict[str, Any], rename: Rename) -> dict[str, Any]:
    return _uri_of(template, rename, "uriTemplate")


_REWRITERS: Mapping[str, Callable[[dict[str, Any], Rename], dict[str, Any]]] = {
    "tools/call": _called,
    "tasks/result": _called,
    "tasks/get": _task,
    "notifications/tasks": _task,
    "skills/list": lambda result, rename: _each(result, "skills", rename, _skill),
    "skills/get": lambda result, rename: _inside(result, "skill", rename, _skill),
    "resources/directory/read": _resources,
    "tools/list": lambda result, rename: _each(result, "tools", rename, _tool),
    "prompts/get": _messages,
    "sampling/createMessage": _messages,
    "resources/read": lambda result, rename: _each(result, "contents", rename, _uri_of),
    "resources/list": _resources,
    "resources/templates/list": lambda result, rename: _each(result, "resourceTemplates", rename, _template),
    "notifications/resources/updated": _uri_of,
}
