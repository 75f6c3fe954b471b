"""Every regular expression of the Python source takes linear time: a long line stalls nobody.

The expressions are found in the source, so that a new one needs a row in `ROWS`: the fragments whose repetition is the
worst that its author can think of.
"""

from __future__ import annotations

import ast
import importlib
import re
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

import pytest

from sidecar.observe.redaction import Redactor
from sidecar.upstream.variables import references_replaced
from yamcp_ui_adapter.format.providers import shown_variables

ROOT = Path(__file__).parents[2]
PACKAGES = ("bridge", "sidecar", "hubctl", "yamcp_ui_adapter", "demo_servers", "acceptor", "recorder", "own_servers")
FUNCTIONS = frozenset({"compile", "search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer"})
ANCHORED = frozenset({"match", "fullmatch"})
PASSED_ON = frozenset({"_INIT", "_ENGINE"})
"""Given to a function that uses them anchored (`_said`)."""
SIZE = 1 << 18
LIMIT = 1.5
"""Seconds of CPU for a line of this size: linear expressions take some 10 ms, quadratic ones minutes to hours."""

ROWS: dict[str, tuple[str, ...]] = {
    "sidecar/trust/hints.py _INVISIBLE": ("a",),
    "sidecar/trust/hints.py _BIDI": ("a",),
    "sidecar/trust/hints.py _OVERRIDE": ("ignore ", "ignore all ", "ignore previous ", "ignore all previous a "),
    "sidecar/trust/hints.py _TAGS": ("<", "< / ", "<" + " " * 15, "<important ", "[SYSTEM"),
    "sidecar/trust/hints.py _CONCEAL": ("never ", "never tell ", "do not tell the ", "don't show "),
    "sidecar/trust/hints.py _FILES": ("/home/", "/home/a", "~/", "/home/aaa/.", "/etc/", "id_"),
    "sidecar/trust/hints.py _TAKE_SECRETS": ("send ", "send your ", "send all its ", "read the system "),
    "sidecar/trust/hints.py _OTHER_TOOLS": ("before ", "before using ", "always call any ", "after using every "),
    "sidecar/trust/hints.py _EXFILTRATION": (
        "https://a",
        "https://a?",
        "https://a?b=",
        "send ",
        "post to ",
        "?a=",
        "&",
    ),
    "sidecar/trust/hints.py _BASE64": ("a", "aA", "aA1", "a=", "A1a+", "aA1 "),
    "sidecar/trust/hints.py [^\\W\\d_]{3,}": ("a", "aa ", "ab1"),
    "yamcp_ui_adapter/approvals/changes.py _NOT_IN_KEYS": (".", "a", "a."),
    "yamcp_ui_adapter/catalog/find.py _WORD": ("a", " ", "a "),
    "sidecar/access/users.py _USER_ID": ("u", "u0", "u" + "0" * 15),
    "sidecar/listener/auth.py HOLDER_ID": ("k", "g0", "k0000000", "g" + "0" * 16),
    "sidecar/downstream/router.py _PLAIN_ID": ("a", "r0.", "-", "a."),
    "sidecar/listener/challenges.py _BASE": ("http", "http://", "https://a", "http://a.", "/"),
    "sidecar/listener/challenges.py _ENDPOINT": ("/mcp", "/mcp/", "/mcp/a", "/mcp/a/sse", "/mcp/a/messages/", "/"),
    "sidecar/audit/bodies.py HEADER": ("a", "a: ", "a:  ", "a: x"),
    "sidecar/listener/asgi.py _JSON": (
        "application/",
        "application/a+",
        "application/json ",
    ),
    "sidecar/channels/challenge.py _ERROR": (
        "error",
        "error ",
        "error=a",
        "a",
    ),
    "sidecar/channels/challenge.py _METADATA": (
        "resource_metadata",
        'resource_metadata="',
        "resource_metadata=a",
        " ",
    ),
    "sidecar/channels/challenge.py _SCHEME": (
        ",",
        ", ",
        " ",
        "bearer",
    ),
    "sidecar/channels/messages.py _ID_AT_END": (
        ",",
        ", ",
        ',"id":1',
        ',"id":1} ',
        ',"id":"a',
    ),
    "sidecar/channels/oversize.py _DATA": ("data:", "\ndata", "\n", "a"),
    "sidecar/large/process.py _LINE_END": ("\r\n", "\r", "\n", "a"),
    "sidecar/channels/messages.py _STRING": (
        '"',
        '\\"',
        '"a',
        "\\",
    ),
    "sidecar/channels/messages.py _TOKEN": (
        '"',
        '\\"',
        "{",
        "a",
        '"\\',
    ),
    "sidecar/channels/oversize.py _HEAD": (
        " ",
        "{",
        '{"jsonrpc":"2.0",',
    ),
    "sidecar/channels/oversize.py _HEAD_ID": (
        " ",
        '{"id":1',
        '{"id":1,"jsonrpc":"2.0",',
    ),
    "sidecar/channels/oversize.py _TAIL_ID": (
        '"id"',
        '"id" ',
        '"id":1',
        '"id":1} ',
    ),
    "sidecar/listener/hosts.py _HOST": (
        "a",
        "[",
        "[a:",
        "a:",
    ),
    "sidecar/listener/hosts.py _ORIGIN": (
        "http://",
        "a",
    ),
    "sidecar/features/items.py _TIMESTAMP": (
        "1",
        "2026-01-01T00:00:00.",
    ),
    "sidecar/listener/origins.py _ALLOWED_HEADER": (
        "mcp-",
        "a",
    ),
    "sidecar/features/schemas.py _NOT_JAVASCRIPT": (
        "(",
        "(?",
        "\\",
        "a",
        "(?:",
    ),
    "sidecar/observe/telling_line.py _ERROR": ("e", "err", "not ", "E", "EA", "EACCES", "a"),
    "sidecar/observe/telling_line.py _FRAME": (" ", "\\t", "npm ", "Traceback", "a"),
    "yamcp_ui_adapter/format/command_line.py INNER_OPTION": (" ", " -", " --", "a"),
    "yamcp_ui_adapter/format/command_line.py OPTION_WITH_VALUE": ("-", "-a", "a", " ", "-a "),
    "yamcp_ui_adapter/format/providers.py TILDE": (
        "=",
        "~",
        "=~a",
    ),
    "sidecar/listener/client_address.py _WITH_PORT": ("[", "[a", "1", "1.", "1.1.1.1:"),
    "bridge/generate.py (?<!\\\\)\\|": ("|", "\\", "\\|"),
    "bridge/generate.py \\| (?:`(\\w+)`|code) \\|": ("| ", "| `", "| `a"),
    "hubctl/commands/doctor/__init__.py STARTED_LATELY": ("STARTING", "uptime ", "uptime 0:0"),
    "own_servers/openapi.py _VARIABLE": ("$", "${", "${a"),
    "own_servers/openapi.py _HEADER": ("a", "a "),
    "recorder/sql/migrations.py --[^\\n]*": ("-", "--", "-- "),
    "recorder/sql/migrations.py FILE": ("0", "0001_", "0001_a."),
    "bridge/settings/variables.py VARIABLE_NAME": ("a", "A0_"),
    "yamcp_ui_adapter/activation/inputs.py _CONTROL": ("a", "\x00"),
    "yamcp_ui_adapter/activation/inputs.py _PLACE": ("{", "{a", "{a.-"),
    "yamcp_ui_adapter/activation/inputs.py _REFERENCE": ("${", "${a", "${a}"),
    "yamcp_ui_adapter/activation/install/folders.py _NOT_IN_NAMES": ("a", "/"),
    "yamcp_ui_adapter/activation/install/npm.py _BARE": ("code ", "0", "A complete log"),
    "yamcp_ui_adapter/activation/install/npm.py _ERROR": ("npm error ", "npm ERR! ", "npm error", " "),
    "yamcp_ui_adapter/activation/install/processes.py PASSED": ("LC_", "PIP_", "http_proxy"),
    "yamcp_ui_adapter/activation/install/processes.py _BREAK": ("a", "\r\n"),
    "yamcp_ui_adapter/activation/install/processes.py _ESCAPES": ("\x1b[", "\x1b[0;", "\x1b"),
    "yamcp_ui_adapter/activation/install/processes.py _NPM": ("npm_config_", "NPM_CONFIG_"),
    "yamcp_ui_adapter/activation/install/processes.py _USER_IN_URL": ("://", "://a", "://a:", "a@"),
    "yamcp_ui_adapter/activation/install/python_package.py _OTHER_PYTHON": (
        *("require a different python version: ", "a", "Requires-Python "),
    ),
    "yamcp_ui_adapter/activation/install/python_package.py _SEPARATORS": ("-", "-a", "_."),
    "yamcp_ui_adapter/activation/plan.py _NOT_IN_NAMES": ("-", "-a"),
    "yamcp_ui_adapter/activation/service.py _NOT_IN_KEYS": ("/", "/a"),
    "yamcp_ui_adapter/activation/target.py _HTTP_URL": ("http://", "https://a"),
    "yamcp_ui_adapter/activation/target.py _HTTPS_URL": ("https://", "a", " "),
    "yamcp_ui_adapter/activation/target.py _SHA256": ("0", "g"),
    "yamcp_ui_adapter/activation/install/bundle.py _REFERENCE": ("$", "{", "${", "}", "a"),
    "yamcp_ui_adapter/activation/install/bundle.py _VARIABLE": ("a", "0", "_", "="),
    "yamcp_ui_adapter/activation/target.py _MINOR": ("3.", "3.1", "1"),
    "yamcp_ui_adapter/activation/target.py _NPM_NAME": ("@a/", "@", "a", "a/"),
    "yamcp_ui_adapter/activation/target.py _NPM_VERSION": ("1.", "1.2.3-", "1.2.3-a+"),
    "yamcp_ui_adapter/activation/target.py _OCI_NAME": ("a/", "a:", "@sha256:0"),
    "yamcp_ui_adapter/activation/target.py _PROGRAM": ("a", "a."),
    "yamcp_ui_adapter/activation/target.py _PYPI_NAME": ("a", "a-", "a[", "a[b]"),
    "yamcp_ui_adapter/activation/target.py _PYPI_VERSION": ("1.", "1a", "1!"),
    "yamcp_ui_adapter/activation/target.py _REQUIREMENT": ("a", "a[", "a[b]", "a <", " <1", "a = "),
    "yamcp_ui_adapter/activation/work.py _NOT_IN_NAMESPACES": ("a", "/"),
    "yamcp_ui_adapter/catalog/schema.py _PRIVATE": ('"_', "/_", "_A"),
    "recorder/sql/postgres_care.py INDEX": ("CREATE INDEX ", "CREATE INDEX a ON ", "a "),
    "recorder/sql/sqlite_care.py INDEX": ("CREATE INDEX ", "CREATE INDEX a ON ", "a "),
    "sidecar/admission/request_ids.py FORM": ("a", "a:"),
    "sidecar/tracing/trace_context.py _TRACEPARENT": ("00", "00-", "a", "-"),
    "sidecar/listener/plain_head.py _FIELD": ("a", "a:", " ", "a: "),
    "sidecar/listener/plain_head.py _LENGTH": ("0",),
    "sidecar/listener/plain_head.py _LINE": ("POST /mcp/", "a", "/", "?", "POST /mcp/a?"),
    "hubctl/commands/history/csv_text.py _FORMULA": (" ", "\n", " a"),
    "hubctl/commands/history/moments.py _SPAN": ("1", "1.", "1s"),
    "hubctl/run/node.py v(\\d+)\\.(\\d+)\\.": ("v", "1", "v1."),
    "bridge/keys.py KEY_ID": ("k", "k0"),
    "bridge/keys.py _HASH": ("0",),
    "bridge/keys.py _KEY": ("yh_", "yh_k0000000_"),
    "bridge/masking/parts.py _AUTHORITY_END": ("a",),
    "bridge/masking/parts.py _BEFORE_AUTHORITY": (" ", "a", "/", "a:"),
    "bridge/masking/names.py _PATH_TOKEN": ("a", "."),
    "bridge/masking/names.py _SEPARATED": ("a", "."),
    "bridge/masking/names.py _SEPARATORS": ("a", "."),
    "bridge/masking/parts.py _BEFORE_PARAMETER": ("?", "a", "&#"),
    "bridge/masking/parts.py _JSON_TOKEN": ('"', '"a', '"\\', '" ', '"" ', "{", '"a":'),
    "bridge/settings/replicas.py _NAME": ("a", "a-", "-"),
    "bridge/settings/replicas.py _ORDINAL": ("-", "a-1", "-0"),
    "bridge/settings/__init__.py TOKEN": ("!",),
    "sidecar/channels/web.py _HEADER_NAME": ("!",),
    "sidecar/channels/web.py _NOT_IN_HEADER": ("a",),
    "sidecar/placement/kubernetes.py _UNFIT": ("a", "-", "a-"),
    "sidecar/containers/argv.py [\\r\\n\\x00]": ("a",),
    "sidecar/containers/argv.py _ENGINES_OWN": ("_", "XDG_", "HTTPS"),
    "sidecar/containers/argv.py _NAME": ("_",),
    "sidecar/containers/engine.py _NO_CONTAINER": ("no such ", "no container "),
    "sidecar/containers/engine.py _REFUSED": ("Source image rejected: ", "S", "a"),
    "sidecar/containers/engine.py _NO_IMAGE": ("no such ", "image not ", "failed to "),
    "sidecar/containers/exits.py _ENGINE": ("Error: ", "docker:", "\n"),
    "sidecar/containers/exits.py _INIT": ("ERROR (catatonit:1): ", "[FATAL tini (1)] ", "ERROR (catatonit:1", "exe"),
    'sidecar/containers/mounts.py [,:\\x00-\\x1f\\"]': ("a",),
    "sidecar/features/names.py _FIELD": ("{", "{name"),
    "sidecar/features/names.py _OUTSIDE": ("a", "é"),
    "sidecar/protocol/param_headers.py TOKEN": ("!",),
    "bridge/masking/parts.py _HEADER": ("a", "a:", "a: ", "bearer "),
    "sidecar/routing/templates.py _EXPRESSION": ("{", "}", "{a}", "a"),
    "sidecar/routing/stems.py _WORD": ("a", "A", "aA", "AAa", "0", "é", "_"),
    "sidecar/routing/preset_schema.py _DEFINITION": ("#/$defs/", "#/definitions/", "a", "/"),
    "sidecar/observe/secret_index.py _WORD_STARTS": ("a", " ", "\\n", "\\"),
    "sidecar/observe/secret_shapes.py _ASSIGNMENT": (
        "a",
        "a=",
        "token=",
        'a"',
        '"a": "',
        'token": "',
        '\\"',
        "token=\\",
        'a" : ',
    ),
    "sidecar/observe/secret_shapes.py _CREDENTIALS": ("bearer ", "bearer", "basic\t ", " ", "Bearer 123456789012345 "),
    "sidecar/observe/secret_shapes.py _DOTTED": ("a", "a.", "eyJ-", "a "),
    "sidecar/observe/secret_shapes.py _FLAG": ("-", "--a", "--a ", "--a= ", "--token ", "'--token', '", "--token '"),
    "sidecar/observe/secret_shapes.py _PARAMETER": ("?", "?a", "?a=", "&token=", "\\u0026", "a"),
    "sidecar/observe/secret_shapes.py _TOKEN": (
        "sk-",
        "ghp_",
        "github_pat_",
        "glpat-",
        "hf_",
        "npm_",
        "xoxb-",
        "AKIA",
        "AIza",
    ),
    "sidecar/observe/secret_shapes.py _USERINFO": ("://", "://a:", "://a:b", "@", "a@"),
    "sidecar/features/uris.py _LOCAL_PATH": ("/", "/a"),
    "sidecar/features/uris.py _OUTSIDE_LABEL": ("a", "-"),
    "sidecar/features/uris.py _SCHEME": ("a", "a:", "a://"),
    "bridge/credentials/records.py _ACCESS_TOKEN": ("yha_", "yha_a", "a"),
    "bridge/settings/oidc.py _LABEL": ("a", "a-", "a.", "-", "a.a"),
    "bridge/settings/oidc.py _REALM": ("/", "/a", "/realms", "/realms/", "/realms/a"),
    "bridge/settings/oidc.py _SCOPE": ("a",),
    "bridge/settings/oidc.py _SECRET": (" ", "a"),
    "bridge/settings/oidc.py _TENANT": ("/", "0", "-0000", "/00000000-0000"),
    "sidecar/features/uris.py _QUERY": ("a", "?", "#", "a?", "a#"),
    "yamcp_ui_adapter/sign_in/codes.py _VERIFIER": ("a", "~"),
    "yamcp_ui_adapter/sign_in/redirects.py _SCHEME": ("a", "a+", "a:"),
    "yamcp_ui_adapter/sign_in/redirects.py _VISIBLE": ("!", "a"),
    "sidecar/upstream/variables.py _CONTROL": ("\x00", "a", " "),
    "sidecar/features/uris.py _STRIPPABLE": ("a", "a:", "a://", "a/", "a://a"),
    "demo_servers/toolkit/catalogue.py \\{(\\w+)\\}": ("{", "a", "{a"),
    "yamcp_ui_adapter/format/variable_references.py BARE_REFERENCE": ("$", "$a", "%", "%a", "a", "%a%"),
    "yamcp_ui_adapter/format/variable_references.py VARIABLE_NAME": ("_",),
    "yamcp_ui_adapter/format/variable_references.py OPENCODE_REFERENCE": ("{", "{env:", "{file:a", "a"),
    "yamcp_ui_adapter/format/variable_references.py BRACED_REFERENCE": ("$", "${", "${a", "a"),
    "yamcp_ui_adapter/format/variable_references.py [^A-Za-z0-9_]": ("a", "-"),
    "yamcp_ui_adapter/format/masking.py _PATH": (".", "~", "/", "./"),
    "yamcp_ui_adapter/format/masking.py _REFERENCE": ("$", "${", "${a", "a"),
    "yamcp_ui_adapter/access/json_position.py _SPACE": (" ", "\t", "a"),
    "yamcp_ui_adapter/format/masked_text.py _SPACE": (" ", "\t", "a"),
    "yamcp_ui_adapter/format/jsontext.py SURROGATE": ("a",),
    "yamcp_ui_adapter/edit/duplicate.py [^A-Za-z0-9_-]": ("a", " "),
    "yamcp_ui_adapter/format/export.py NAME": ("A", "a"),
    "yamcp_ui_adapter/format/export.py [^A-Z0-9_]+": ("A", "-"),
    "yamcp_ui_adapter/format/slug.py VALID_SLUG": ("a",),
    "yamcp_ui_adapter/format/slug.py [^A-Za-z0-9_]+": ("a", "-"),
    "yamcp_ui_adapter/format/template.py TEMPLATE_PART": ("{", "{name", "a"),
}
"""Fragments that are repeated to a line of `SIZE` for each expression."""
ELSEWHERE = {
    "sidecar/upstream/variables.py _REFERENCE": "quadratic without a brace behind, which is cut: test_references",
    "yamcp_ui_adapter/format/providers.py REFERENCE": "as in sidecar/upstream/variables.py",
    "yamcp_ui_adapter/format/export.py (dynamic)": "the mask itself, escaped",
    "demo_servers/toolkit/catalogue.py (dynamic)": "of the demo's own templates, which have one variable a segment",
}
"""Expressions that are not tried here, and why."""


def expressions() -> dict[str, re.Pattern[str] | None]:
    """Every expression of the source, by its file and its name (or itself, where it has none)."""
    found: dict[str, re.Pattern[str] | None] = {}
    for path in sources():
        file = str(path.relative_to(ROOT))
        if "re." not in (text := path.read_text("utf-8")):
            continue
        tree = ast.parse(text)
        names = {id(node.value): node.targets[0] for node in ast.walk(tree) if isinstance(node, ast.Assign)}
        for node in ast.walk(tree):
            if not is_expression(node):
                continue
            name, pattern = names.get(id(node)), node.args[0]
            if isinstance(name, ast.Name) and ast.unparse(node.func) == "re.compile":
                found[f"{file} {name.id}"] = getattr(module_of(path), name.id)
            elif isinstance(pattern, ast.Constant):
                found[f"{file} {pattern.value}"] = re.compile(pattern.value)
            else:
                found[f"{file} (dynamic)"] = None
    return found


def sources() -> Iterator[Path]:
    """Every Python file of the packages."""
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def is_expression(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether it is a call of `re` with an expression."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return isinstance(node.func.value, ast.Name) and node.func.value.id == "re" and node.func.attr in FUNCTIONS


def module_of(path: Path) -> object:
    """The module of a source file."""
    return importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


@cache
def methods() -> dict[str, set[str]]:
    """The methods that the source calls on each expression, by the file and the name where it is defined."""
    called: dict[str, set[str]] = {}
    names = [where.partition(" ")[2] for where in ROWS]
    for path in sources():
        text = path.read_text("utf-8")
        if not any(name in text for name in names):
            continue
        tree = ast.parse(text)
        homes = dict(imported_names(tree))
        for node in ast.walk(tree):
            function = node.func if isinstance(node, ast.Call) else None
            if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
                name = function.value.id
                home = homes.get(name, f"{path.relative_to(ROOT)} {name}")
                called.setdefault(home, set()).add(function.attr)
    return called


def imported_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each name that a file imports from another one, with the file and the name there."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            file = node.module.replace(".", "/") + ".py"
            yield from ((alias.asname or alias.name, f"{file} {alias.name}") for alias in node.names)


EXPRESSIONS = expressions()


def test_every_expression_has_a_row() -> None:
    """Who adds an expression says what is the worst for it."""
    assert ROWS.keys() | ELSEWHERE.keys() == EXPRESSIONS.keys()


@pytest.mark.parametrize("where", ROWS)
def test_a_long_line(where: str) -> None:
    """Each fragment, over and over; an eighth of it where only the hub's own or its owner's text is read."""
    pattern = EXPRESSIONS[where]
    assert pattern is not None
    used = methods().get(where, set())
    for fragment in ROWS[where]:
        size = SIZE if "secret" in where or where.startswith("sidecar/") else SIZE // 8
        text = fragment * (size // len(fragment))
        line: Any = text
        end: Any = "\0"
        empty: Any = ""
        if isinstance(pattern.pattern, bytes):
            line, end, empty = text.encode(), b"\0", b""
        began = time.process_time()
        if where.rpartition(" ")[2] in PASSED_ON or (used and used <= ANCHORED):
            pattern.match(line + end)
            pattern.fullmatch(line + end)
        else:
            pattern.sub(empty, line)
        assert time.process_time() - began < LIMIT, f"{fragment!r} x {size // len(fragment)}"


@pytest.mark.parametrize("fragment", ["eyJ-", "://a:", "?a=", "bearer ", "token=", "Bearer "])
def test_masking_a_long_line(fragment: str) -> None:
    """All that is done to a line, with a secret that begins as the line does."""
    redactor = Redactor()
    redactor.add("a", {fragment * 64 + "!", fragment[:3] * 2, "Bearer 0123456789abcdef"})
    began = time.process_time()
    redactor(fragment * (SIZE // len(fragment)))
    assert time.process_time() - began < 2 * LIMIT


@pytest.mark.parametrize("fragment", ["$", "${", "${a", "${a:-", "$${", "${a:-}", "}"])
def test_references(fragment: str) -> None:
    """References without an end, in what a configuration says."""
    text = fragment * (SIZE // len(fragment))
    began = time.process_time()
    references_replaced(text, lambda match: "")
    shown_variables((text,))
    assert time.process_time() - began < 2 * LIMIT
