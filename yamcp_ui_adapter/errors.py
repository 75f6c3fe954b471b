"""The issues that the adapter finds in the configuration, and the errors with which it refuses requests; each has a
stable code.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from bridge.errors import HubError
from bridge.models import Issue


class IssueKind(NamedTuple):
    """The severity and meaning of an issue code, for docs/yamcp-format.md and for users."""

    severity: Literal["error", "warning", "info"]
    cause: str
    hint: str


_FIX_JSON = (
    "Repair the JSON (a comma after the last item is the usual cause); until then the last good version is used."
)
_FIX_ENTRY = "Correct the entry in YAMCP-UI or in the file; until then its last good version, if any, is used."

ISSUES: dict[str, IssueKind] = {
    "FILE_EMPTY": IssueKind(
        "error",
        "The file holds nothing: a write is in progress, or it was cut short.",
        "Write `{}` into it, or delete it, if there should be no entries; until then the last good version is used.",
    ),
    "FILE_UNPARSABLE": IssueKind("error", "The file is not JSON in UTF-8.", _FIX_JSON),
    "FILE_NOT_OBJECT": IssueKind(
        "error", "The file is JSON, but not an object (`null` or a list, say).", "Its first character must be `{`."
    ),
    "FILE_UNREADABLE": IssueKind(
        "error",
        "The file is there but cannot be read.",
        "Give the user that runs the hub the right to read it; until then the last good version is used.",
    ),
    "FILE_WRAPPED": IssueKind(
        "info",
        "The entries stand inside `mcpServers`, as in other clients' files. They are used.",
        "Move them to the top level: YAMCP itself does not see them where they are.",
    ),
    "KEY_DUPLICATE": IssueKind(
        "warning", "The file has the same name twice in one object; the last one counts.", "Rename or remove one."
    ),
    "KEY_UNDEFINED": IssueKind(
        "warning",
        "A server is called `undefined`: it was saved without a name. It is used under that name.",
        "Give it a name in YAMCP-UI.",
    ),
    "SERVER_ENTRY_INVALID": IssueKind("error", "A server's entry cannot be used.", _FIX_ENTRY),
    "SERVER_TYPE_UNKNOWN": IssueKind(
        "error", "A server's `type` is none that the hub knows.", "Use `stdio`, `sse`, `http` or `websocket`."
    ),
    "SERVER_NO_COMMAND": IssueKind(
        "error",
        "A stdio server has no command.",
        "Set `command` to the program and `args` to its arguments; a server with an address wants `type: sse`.",
    ),
    "SERVER_URL_INVALID": IssueKind(
        "error",
        "A remote server's url is missing, or not an http://, https://, ws:// or wss:// address.",
        "Correct `url`; it may hold `${VAR}` references.",
    ),
    "SERVER_FLAT": IssueKind(
        "info",
        "A server has its command or url at the top of its entry, as in other clients' files. It is used.",
        "Move it into `providerParameters`: YAMCP itself cannot use it as it is.",
    ),
    "SERVER_FIELD_UNKNOWN": IssueKind(
        "info", "A server's entry has fields that nothing reads.", "Remove them; settings of the hub go into hub.json."
    ),
    "COMMAND_HAS_SPACES": IssueKind(
        "warning",
        "A command holds a program and arguments; it is taken as the name of one program.",
        "Put the program into `command` and each argument into `args`; the console's form of the server does it.",
    ),
    "ARGUMENT_HAS_SPACES": IssueKind(
        "warning",
        "One of the arguments holds several, such as `-y @scope/package`; the program gets them as one.",
        "Make each an item of `args` of its own; the console's form of the server does it.",
    ),
    "ENV_INVALID": IssueKind(
        "warning",
        "A variable of a server's `env`, or a header, has no usable name or value; it is left out.",
        "Names must not be empty or hold `=`; values must be text or numbers.",
    ),
    "HEADER_OWNED": IssueKind(
        "info",
        "A header in `headers` is one that the hub, or each HTTP message, sets itself; it is left out.",
        "Remove it: the hub sends its own.",
    ),
    "TILDE_KEPT": IssueKind(
        "info",
        "An argument or variable of a server begins with `~/`, which only a shell replaces; it is passed on as it is.",
        "If the server does not know `~`, write `${HOME}/` in its place.",
    ),
    "VARIABLE_IN_ARGS": IssueKind(
        "warning",
        "A server's `command` or `args` refer to a variable: its value shows in the machine's list of processes.",
        "If it is a secret, hand it over in `env`; most servers read a variable, too.",
    ),
    "ENV_CONVERTED": IssueKind(
        "info", "A number or boolean in `env`, `headers` or `args` was turned into text.", "Put it in quotes."
    ),
    "NAMESPACE_MISSING": IssueKind(
        "info",
        "A server has no usable namespace; its key is used.",
        "Set `namespace` to the prefix that its tools should have.",
    ),
    "NAMESPACE_SHARED": IssueKind(
        "warning",
        "Two servers of one workspace have the same namespace: tools of the same name get a suffix.",
        "Give each server its own namespace.",
    ),
    "WORKSPACE_INVALID": IssueKind(
        "error", "A workspace is not a list of server names.", 'Make it one: `["server-a", "server-b"]`.'
    ),
    "WORKSPACE_OBJECT": IssueKind(
        "info",
        "A workspace is an object with `servers` instead of a list. It is used, under its key.",
        "Make it a plain list: YAMCP itself cannot use it as it is.",
    ),
    "WORKSPACE_EMPTY": IssueKind("info", "A workspace has no server that can be used.", "Add servers to it."),
    "MEMBER_INVALID": IssueKind("warning", "A member of a workspace is not text; it is left out.", "Remove it."),
    "MEMBER_DUPLICATE": IssueKind("info", "A workspace names a server twice; it is used once.", "Remove one."),
    "MEMBER_UNKNOWN": IssueKind(
        "warning",
        "A workspace names a server that does not exist (any more); it is left out.",
        "Remove the name from the workspace, or add the server; workspaces use a server's key, not its namespace.",
    ),
    "MEMBER_UNUSABLE": IssueKind(
        "warning", "A workspace names a server whose entry cannot be used; it is left out.", "Correct that server."
    ),
    "NAME_TEMPLATE_INVALID": IssueKind(
        "warning",
        "A workspace's `name_template` cannot be used; the default is.",
        "It needs `{name}`, may have `{namespace}` (must, with several servers), and letters, digits, `_` and `-`.",
    ),
    "HUB_VERSION": IssueKind(
        "error",
        "hub.json is of a version that this hub does not know; the last good version is used.",
        "Set `version` to 1, or run the newer hub that wrote it.",
    ),
    "HUB_NEVER_READ": IssueKind(
        "error",
        "hub.json cannot be read, and never could since the hub was set up: no server is started.",
        "Repair hub.json, or delete it to begin with defaults; the servers start then.",
    ),
    "HUB_SECTION_INVALID": IssueKind(
        "warning", "A part of hub.json is not an object; it is ignored.", "See docs/yamcp-format.md for its form."
    ),
    "HUB_SETTING_INVALID": IssueKind(
        "warning",
        "A setting in hub.json cannot be used; its last good value, else the default, is.",
        "See docs/yamcp-format.md for the form of each setting.",
    ),
    "HUB_FIELD_UNKNOWN": IssueKind(
        "warning", "hub.json has a field that nothing reads.", "Check its spelling, or remove it."
    ),
    "HUB_ENTRY_UNUSED": IssueKind(
        "info",
        "hub.json has settings for a server or workspace that does not exist (any more); they are kept.",
        "If it will not come back, remove them: a button beside this notice in the console does it.",
    ),
    "SLUG_TAKEN": IssueKind(
        "warning",
        "hub.json gives a workspace a slug that another workspace has already; it is served with one made of its name.",
        "Choose another slug (on the workspace's page, or `hubctl workspaces edit WORKSPACE --slug SLUG`).",
    ),
    "KEYS_UNUSABLE": IssueKind(
        "error",
        "keys.json cannot be read, or is not as the hub writes it: no named key is let in. The hub's own token is.",
        "Put back what was there before, or delete it and make the keys anew with `hubctl keys add`.",
    ),
    "KEY_WORKSPACE_UNKNOWN": IssueKind(
        "warning",
        "A key is for a workspace that does not exist (any more); one that is made by that name is open to it.",
        "Revoke the key (`hubctl keys revoke`) if the workspace will not come back.",
    ),
    "STATE_NOT_SAVED": IssueKind(
        "error",
        "The adapter cannot write what it remembers into the data directory. The hub goes on.",
        "Free space, or give the user that runs the hub the right to write there.",
    ),
}
"""Every issue that the adapter can report."""


def issue(code: str, subject: str, file: str, message: str) -> Issue:
    """Return an issue of a kind in `ISSUES`. The message may hold names only, never a value that may be secret."""
    kind = ISSUES[code]
    return Issue(
        code=code,
        severity=kind.severity,
        subject=printable(subject),
        file=file,
        message=printable(message),
        hint=kind.hint,
    )


def printable(text: str) -> str:
    """Return the text with lone surrogates, which UTF-8 cannot encode, replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")


class FileUnusable(Exception):
    """A whole file has no usable content, so that its last good version stays in use."""

    def __init__(self, code: str, file: str, message: str) -> None:
        super().__init__(message)
        self.issue = issue(code, f"file:{file}", file, message)


class NoSuchWorkspace(HubError):
    """A request to change a workspace names one that is not in workspaces.json."""

    code = "NO_SUCH_WORKSPACE"
    hint = "hubctl workspaces lists the workspaces; names are case-sensitive."


class NoSuchServer(HubError):
    """A request to change a server names one that is not in providers.json."""

    code = "NO_SUCH_SERVER"
    hint = "hubctl status lists the servers by key; the namespace is not the key."


class EditInvalid(HubError):
    """A request to change settings has an invalid one; nothing was changed."""

    code = "EDIT_INVALID"
    hint = "docs/yamcp-format.md lists the settings of hub.json and their forms."


class EditConflict(HubError):
    """The content that a request was to change was changed since the caller read it; nothing was overwritten."""

    code = "EDIT_CONFLICT"
    hint = "Look at what is there now, and make the change again if it is still wanted."


class NothingToUndo(HubError):
    """A request is to undo a change that the adapter does not remember, or was undone; nothing was changed."""

    code = "NOTHING_TO_UNDO"
    hint = "The adapter remembers its last 20 changes until it ends; copies of YAMCP's files are in backups/."


class AlreadyExists(HubError):
    """A request is to create or rename a server, workspace or key, and the name is taken; nothing was changed."""

    code = "ALREADY_EXISTS"
    hint = "Choose another name, or edit the one that is there; names are case-sensitive."


class EntryInvalid(HubError):
    """A server or workspace to be written is unusable, or an import holds none; nothing was written."""

    code = "ENTRY_INVALID"
    hint = "docs/yamcp-format.md has the form of an entry; `data.issue` is the code of what is wrong with this one."


class MaskedValue(HubError):
    """A request has a masked value (********), and no stored value to replace it with."""

    code = "MASKED_VALUE"
    hint = "Type the value itself."


class ConfigFileBroken(HubError):
    """A file of YAMCP's cannot be read or parsed, so a change was refused instead of overwriting its content."""

    code = "CONFIG_FILE_BROKEN"
    hint = "Repair the file; `hubctl doctor` says what is wrong with it, and copies are in `backups` in HUB_DATA_DIR."


class HubFileBroken(HubError):
    """hub.json cannot be parsed, so a change was refused instead of overwriting what the user wrote."""

    code = "HUB_FILE_BROKEN"
    hint = "Repair hub.json, or delete it to begin with defaults, and try again."


class NoSuchKey(HubError):
    """A request to revoke a key names one that does not exist."""

    code = "NO_SUCH_KEY"
    hint = "`hubctl keys` lists them with names and ids; names are case-sensitive."


class KeyInvalid(HubError):
    """A key cannot be created, because its name or its limits are invalid; nothing was written."""

    code = "KEY_INVALID"
    hint = "docs/configuration.md says what a key can be; `hubctl keys add --help` shows the command."


class KeysFileBroken(HubError):
    """keys.json cannot be read or parsed: keys are neither listed, created nor revoked, and none is accepted."""

    code = "KEYS_FILE_BROKEN"
    hint = "Put back what was there before, or delete it: then no key is valid, and `hubctl keys add` makes new ones."


class DataDirUnusable(HubError):
    """The adapter cannot write into the hub's data directory, or cannot create it or YAMCP's directory."""

    code = "DATA_DIR_UNUSABLE"
    hint = "Give the user that runs the hub the right to write there, or free space, or set HUB_DATA_DIR."


class AdapterRunning(HubError):
    """Another adapter already serves this data directory or runtime directory."""

    code = "ADAPTER_RUNNING"
    hint = "Stop the other hub, or give this one directories of its own: HUB_DATA_DIR and HUB_RUNTIME_DIR."
