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


_FIX_JSON = "Repair the JSON (often a comma after the last item); until then the hub uses the last good version."
_FIX_ENTRY = "Correct the entry in YAMCP-UI or in the file; until then its last good version, if any, is used."

ISSUES: dict[str, IssueKind] = {
    "CONFIG_FROM_COPY": IssueKind(
        "warning",
        "The source of the shared configuration is not available; the hub uses its last good copy and refuses edits.",
        "The message has the reason; the hub takes the newest configuration by itself when the source is back.",
    ),
    "CONFIG_EMPTY": IssueKind(
        "warning",
        "The database of the shared configuration is empty; the hub uses its own files and refuses edits.",
        "Run `hubctl cluster import` at the hub whose configuration all hubs are to have.",
    ),
    "CONFIG_OVERRULED": IssueKind(
        "warning",
        "A program changed files of this hub while another hub changed the same entries; the other change counts.",
        "`backups` in HUB_DATA_DIR has the file; repeat the change. The next edit at this hub ends this message.",
    ),
    "FILE_EMPTY": IssueKind(
        "error",
        "The file is empty: a write is in progress, or was interrupted.",
        "If there should be no entries, write `{}` or delete the file; until then the last good version is used.",
    ),
    "FILE_UNPARSABLE": IssueKind("error", "The file is not JSON in UTF-8.", _FIX_JSON),
    "FILE_NOT_OBJECT": IssueKind(
        "error",
        "The file is JSON but not an object (for example `null` or a list).",
        "Its first character must be `{`.",
    ),
    "FILE_UNREADABLE": IssueKind(
        "error",
        "The file exists but cannot be read.",
        "Give the user that runs the hub read permission; until then the hub uses the last good version.",
    ),
    "FILE_WRAPPED": IssueKind(
        "info",
        "The entries are inside `mcpServers`, as in other clients' files. The hub uses them.",
        "Move them to the top level: YAMCP itself does not read them inside `mcpServers`.",
    ),
    "KEY_DUPLICATE": IssueKind(
        "warning", "One object in the file has the same name twice; the hub uses the last one.", "Rename or remove one."
    ),
    "KEY_UNDEFINED": IssueKind(
        "warning",
        "A server is named `undefined`: it was saved without a name. The hub uses it under that name.",
        "Give it a name in YAMCP-UI.",
    ),
    "SERVER_ENTRY_INVALID": IssueKind("error", "A server's entry is not valid.", _FIX_ENTRY),
    "SERVER_TYPE_UNKNOWN": IssueKind(
        "error", "The hub does not know a server's `type`.", "Use `stdio`, `sse`, `http` or `websocket`."
    ),
    "SERVER_NO_COMMAND": IssueKind(
        "error",
        "A stdio server has no command.",
        "Set `command` to the program and `args` to its arguments; a server with a URL needs `type: sse`.",
    ),
    "SERVER_URL_INVALID": IssueKind(
        "error",
        "A remote server's url is missing, or not an http://, https://, ws:// or wss:// address.",
        "Correct `url`; it may contain `${VAR}` references.",
    ),
    "SERVER_FLAT": IssueKind(
        "info",
        "A server's command or url is at the top of its entry, as in other clients' files. The hub uses it.",
        "Move it into `providerParameters`: YAMCP itself does not read it at the top.",
    ),
    "SERVER_FIELD_UNKNOWN": IssueKind(
        "info",
        "A server's entry has fields that neither the hub nor YAMCP reads.",
        "Remove them; settings of the hub go into hub.json.",
    ),
    "COMMAND_HAS_SPACES": IssueKind(
        "warning",
        "A `command` contains arguments; the hub treats all of it as the name of the program.",
        "Put the program into `command` and each argument into `args`; the server's form in the console does this.",
    ),
    "ARGUMENT_HAS_SPACES": IssueKind(
        "warning",
        "One item of `args` contains several arguments, such as `-y @scope/package`; the program gets them as one.",
        "Make each argument its own item of `args`; the server's form in the console does this.",
    ),
    "ENV_INVALID": IssueKind(
        "warning",
        "A variable in a server's `env`, or a header, has an invalid name or value; the hub ignores it.",
        "Names must not be empty or contain `=`; values must be text or numbers.",
    ),
    "HEADER_OWNED": IssueKind(
        "info",
        "The hub or HTTP itself sets one of the headers in `headers`; the hub leaves it out.",
        "Remove it: the hub sends its own.",
    ),
    "TILDE_KEPT": IssueKind(
        "info",
        "An argument or variable of a server begins with `~/`, which only shells expand; the hub does not change it.",
        "If the server does not expand `~`, write `${HOME}/` instead.",
    ),
    "VARIABLE_IN_ARGS": IssueKind(
        "warning",
        "A server's `command` or `args` refer to a variable, so its value is visible in the list of processes.",
        "If it is a secret, pass it in `env`; most servers can read it from a variable.",
    ),
    "ENV_CONVERTED": IssueKind(
        "info", "The hub converted a number or boolean in `env`, `headers` or `args` to text.", "Put it in quotes."
    ),
    "NAMESPACE_MISSING": IssueKind(
        "info",
        "A server has no valid namespace; the hub uses its key.",
        "Set `namespace` to the prefix that its tools should have.",
    ),
    "NAMESPACE_SHARED": IssueKind(
        "warning",
        "Two servers of one workspace have the same namespace: the hub adds a suffix to tools with the same name.",
        "Give each server its own namespace.",
    ),
    "WORKSPACE_INVALID": IssueKind(
        "error", "A workspace is not a list of server names.", 'Write a list of names: `["server-a", "server-b"]`.'
    ),
    "WORKSPACE_OBJECT": IssueKind(
        "info",
        "A workspace is an object with `servers` instead of a list. The hub uses it, under its key.",
        "Make it a list: YAMCP itself does not read objects.",
    ),
    "WORKSPACE_EMPTY": IssueKind("info", "A workspace has no usable server.", "Add servers to it."),
    "MEMBER_INVALID": IssueKind("warning", "A member of a workspace is not text; the hub ignores it.", "Remove it."),
    "MEMBER_DUPLICATE": IssueKind("info", "A workspace names a server twice; the hub uses it once.", "Remove one."),
    "MEMBER_UNKNOWN": IssueKind(
        "warning",
        "A workspace names a server that does not exist; the hub ignores the name.",
        "Remove the name from the workspace, or add the server; workspaces use a server's key, not its namespace.",
    ),
    "MEMBER_UNUSABLE": IssueKind(
        "warning",
        "A workspace names a server whose entry is not valid; the hub leaves the server out.",
        "Correct the server's entry.",
    ),
    "NAME_TEMPLATE_INVALID": IssueKind(
        "warning",
        "A workspace's `name_template` is not valid; the hub uses the default.",
        "It must contain `{name}`, and with several servers `{namespace}`; else only letters, digits, `_` and `-`.",
    ),
    "HUB_VERSION": IssueKind(
        "error",
        "hub.json has a `version` that this hub does not know; the hub uses the last good content.",
        "Set `version` to 1, or run the newer hub that wrote it.",
    ),
    "HUB_NEVER_READ": IssueKind(
        "error",
        "hub.json cannot be read and the hub has no earlier content of it, so it starts no server.",
        "Repair hub.json, or delete it to start with the defaults; then the servers start.",
    ),
    "HUB_SECTION_INVALID": IssueKind(
        "warning", "A section of hub.json is not an object; the hub ignores it.", "docs/yamcp-format.md describes it."
    ),
    "HUB_SETTING_INVALID": IssueKind(
        "warning",
        "A setting in hub.json is not valid; the hub uses its last good value, or else the default.",
        "docs/yamcp-format.md describes each setting.",
    ),
    "HUB_FIELD_UNKNOWN": IssueKind(
        "warning", "hub.json has a field that the hub does not know.", "Check its spelling, or remove it."
    ),
    "HUB_ENTRY_UNUSED": IssueKind(
        "info",
        "hub.json has settings for a server or workspace that does not exist; the hub keeps them.",
        "Remove them if they are no longer needed: the console has a button for it beside this notice.",
    ),
    "SLUG_TAKEN": IssueKind(
        "warning",
        "A workspace's slug in hub.json is already in use by another workspace; the hub derives one from its name.",
        "Choose another slug (on the workspace's page, or `hubctl workspaces edit WORKSPACE --slug SLUG`).",
    ),
    "KEYS_UNUSABLE": IssueKind(
        "error",
        "keys.json cannot be read or is not valid: the hub accepts no named key, only its own token.",
        "Restore the previous file, or delete it and create the keys again with `hubctl keys add`.",
    ),
    "KEY_WORKSPACE_UNKNOWN": IssueKind(
        "warning",
        "A key is for a workspace that does not exist; it would be valid for a new workspace of that name.",
        "Revoke the key (`hubctl keys revoke`) if the workspace will not be created again.",
    ),
    "STATE_NOT_SAVED": IssueKind(
        "error",
        "The adapter cannot save its state in the data directory. The hub keeps running.",
        "Free space, or give the user that runs the hub write permission.",
    ),
    "HUB_SETTING_CONTRADICTS": IssueKind(
        "warning",
        "hub.json has both `tenancy` and `share_between_keys` for a server, and they contradict; `tenancy` counts.",
        "Remove `share_between_keys`, the older form of `tenancy` `all`.",
    ),
    "ACCESS_INVALID": IssueKind(
        "error",
        "access.json has a fault; the last good version of the whole file is in force.",
        "Correct it, best with `hubctl access check FILE`; docs/access.md describes the format.",
    ),
    "ACCESS_NEVER_READ": IssueKind(
        "error",
        "access.json exists, but was never read successfully, so only the hub's token and admin keys have rights.",
        "Repair access.json, or delete it if it is not needed.",
    ),
    "ACCESS_NAME_UNKNOWN": IssueKind(
        "info",
        "access.json names a server or workspace that does not exist, or a pattern that matches none.",
        "Check the spelling; servers are named by key. Ignore it for one that is to come.",
    ),
    "ACCESS_NOT_ENFORCED": IssueKind(
        "warning",
        "There is an access.json, but the hub requires no token, so everybody who reaches it may use everything.",
        "Set HUB_TOKEN or HUB_TOKEN_FILE, or delete access.json.",
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

    @classmethod
    def of(cls, found: Issue) -> FileUnusable:
        """The same with an issue that is made already."""
        return cls(found.code, found.file, found.message)


class NoSuchWorkspace(HubError):
    """A request to change a workspace names one that is not in workspaces.json."""

    code = "NO_SUCH_WORKSPACE"
    hint = "hubctl workspaces lists the workspaces; names are case-sensitive."


class NoSuchServer(HubError):
    """A request or command names a server that the hub does not have."""

    code = "NO_SUCH_SERVER"
    hint = "`hubctl status` lists the servers by key; a server's namespace is not its key."


class EditInvalid(HubError):
    """A request to change settings has an invalid value; nothing was changed."""

    code = "EDIT_INVALID"
    hint = "docs/yamcp-format.md lists the settings of hub.json and their formats."


class EditConflict(HubError):
    """The entry was changed by another request or program after the caller read it; nothing was overwritten."""

    code = "EDIT_CONFLICT"
    hint = "Read the current values, then repeat the change if it is still needed."


class NothingToUndo(HubError):
    """The change to undo is no longer in the adapter's undo list, or it was already undone."""

    code = "NOTHING_TO_UNDO"
    hint = "The adapter keeps its last 20 changes in memory; backups/ has copies of YAMCP's files."


class AlreadyExists(HubError):
    """The name for a new or renamed server, workspace or key is already in use; nothing was changed."""

    code = "ALREADY_EXISTS"
    hint = "Choose another name, or edit the existing entry; names are case-sensitive."


class EntryInvalid(HubError):
    """A server or workspace entry is not valid, or an import has no entries; nothing was written."""

    code = "ENTRY_INVALID"
    hint = "docs/yamcp-format.md describes entries; `data.issue` is the code of the problem in this one."


class MaskedValue(HubError):
    """A request has a masked value (********), but no value is stored there that could be kept."""

    code = "MASKED_VALUE"
    hint = "Enter the actual value."


class ConfigFileBroken(HubError):
    """A YAMCP file cannot be read or parsed, so the hub refused a change that would overwrite it."""

    code = "CONFIG_FILE_BROKEN"
    hint = "Repair the file: `hubctl doctor` shows the problem, and `backups` in HUB_DATA_DIR has copies."


class HubFileBroken(HubError):
    """hub.json cannot be parsed, so the hub refused a change that would overwrite it."""

    code = "HUB_FILE_BROKEN"
    hint = "Repair hub.json, or delete it to start with the defaults, and try again."


class AccessInvalid(HubError):
    """The new text of access.json has faults; nothing was written."""

    code = "ACCESS_TEXT_INVALID"
    hint = "`data.issues` has the place of each fault; docs/access.md describes the format."


class AccessFileBroken(HubError):
    """access.json cannot be read, so the hub can neither show nor change it."""

    code = "ACCESS_FILE_BROKEN"
    hint = "Give the user that runs the hub the right to read access.json in HUB_DATA_DIR."


class NoSuchKey(HubError):
    """A request to revoke a key names a key that does not exist."""

    code = "NO_SUCH_KEY"
    hint = "`hubctl keys` lists the keys with names and ids; names are case-sensitive."


class KeyInvalid(HubError):
    """The name or the limits of a new key are not valid; no key was created."""

    code = "KEY_INVALID"
    hint = "docs/configuration.md describes keys; `hubctl keys add --help` shows the command."


class KeysFileBroken(HubError):
    """keys.json cannot be read or is not valid. No key can be listed, created, revoked or used until it is repaired."""

    code = "KEYS_FILE_BROKEN"
    hint = "Restore the previous file, or delete it: then no key is valid, and `hubctl keys add` creates new ones."


class DataDirUnusable(HubError):
    """The adapter cannot write into the hub's data directory, or cannot create it or YAMCP's directory."""

    code = "DATA_DIR_UNUSABLE"
    hint = "Give the user that runs the hub the right to write there, or free space, or set HUB_DATA_DIR."


class AdapterRunning(HubError):
    """Another adapter already serves this data directory or runtime directory."""

    code = "ADAPTER_RUNNING"
    hint = "Stop the other hub, or give this one its own directories: HUB_DATA_DIR and HUB_RUNTIME_DIR."
