"""`hubctl completion`: completion scripts for shells, and the candidates that these scripts request."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence

from bridge.errors import HubError
from bridge.models import Desired, ListGrants, ListSessions, ListTools, ListUsers, ReadDesired, ServerSettings
from hubctl.arguments import innermost, subparsers
from hubctl.context import Context

SHELLS = ("bash", "zsh", "fish")
ANSWER_TIMEOUT = 0.5
"""Seconds to wait for the hub's answer; the user is waiting at the prompt."""
UNQUOTED_CHARACTERS = frozenset("_@%+=:,./-")
"""Characters besides letters and digits that no shell interprets; words with any other character are not offered."""

_BASH = """\
_hubctl() {
    local word
    COMPREPLY=()
    while IFS= read -r word; do COMPREPLY+=("$word"); done \\
        < <(hubctl completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _hubctl hubctl
"""
_ZSH = """\
#compdef hubctl
_hubctl() {
    local -a found
    found=("${(@f)$(hubctl completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "$found" ]]; then compadd -- "${found[@]}"; else _files; fi
}
compdef _hubctl hubctl
"""
_FISH = """\
function __hubctl_words
    set -l words (commandline -opc) (commandline -ct)
    hubctl completion words -- $words[2..-1] 2>/dev/null
end
complete -c hubctl -a '(__hubctl_words)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


async def completion(context: Context, shell: str, words: Sequence[str], grammar: argparse.ArgumentParser) -> int:
    """Run `hubctl completion`: print the script of a shell, or, for the shell `words`, the candidates for the last
    word.
    """
    found = await candidates(context, words, grammar) if shell == "words" else SCRIPTS[shell].splitlines()
    if context.json:
        context.emit(found if shell == "words" else {"script": SCRIPTS[shell]})
    else:
        context.say(*found)
    return 0


async def candidates(context: Context, words: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    """Return the sorted candidates for the last word, without those that the hub does not give in time."""
    before, last = list(words[:-1]), words[-1] if words else ""
    if "--" in before:
        return []
    command = innermost(parser, before)
    options = {name: action for action in command._actions for name in action.option_strings}
    option = options.get(before[-1]) if before else None
    if option is not None and option.nargs != 0:
        found = await _values(context, option, before)
    elif last.startswith("-"):
        found = [name for name in options if name.startswith("--")]
    else:
        found = [*subparsers(command), *await _positional(context, command, before, options)]
    return sorted({word for word in found if word.startswith(last) and needs_no_quoting(word)})


def needs_no_quoting(word: str) -> bool:
    """Return whether every shell takes the word literally, without quoting."""
    return word != "" and all(char.isalnum() or char in UNQUOTED_CHARACTERS for char in word)


async def _positional(
    context: Context, command: argparse.ArgumentParser, before: Sequence[str], options: dict[str, argparse.Action]
) -> list[str]:
    """Return the candidates for the command's next positional argument."""
    given = _arguments(command, before, options)
    wanted = [each for each in command._actions if not each.option_strings and not isinstance(each.choices, dict)]
    place = min(len(given), len(wanted) - 1)
    if place < 0 or (len(given) > place and wanted[place].nargs not in ("*", "+")):
        return []
    return await _values(context, wanted[place], given)


def _arguments(
    command: argparse.ArgumentParser, before: Sequence[str], options: dict[str, argparse.Action]
) -> list[str]:
    """Return the command's positional arguments among the words: no options, and no values of options."""
    depth = len(command.prog.split()) - 1
    found, skip = [], False
    for word in before[depth:]:
        if skip or word.startswith("-"):
            skip = not skip and word in options and options[word].nargs != 0
        else:
            found.append(word)
    return found


async def _values(context: Context, action: argparse.Action, given: Sequence[str]) -> list[str]:
    """Return the candidates for an argument, or for the value of an option."""
    if action.choices is not None:
        return [str(choice) for choice in action.choices]
    if action.dest in ("settings",):
        return [f"{name}=" for name in ServerSettings.model_fields]
    if action.dest in ("tool", "session", "grant", "user"):
        return await _ids_of(context, action.dest, given)
    desired = await _desired(context) if action.dest in ("workspace", "server", "add", "remove") else None
    if desired is None:
        return []
    if action.dest == "workspace":
        literal = str(action.metavar or "").split("|")[1:]
        return [*literal, *(workspace.slug for workspace in desired.snapshot.workspaces)]
    return [server.key for server in desired.snapshot.servers]


async def _ids_of(context: Context, what: str, given: Sequence[str]) -> list[str]:
    """Return the tools, sessions, grants or users that the hub has."""
    if what in ("tool", "session"):
        return await (_tools(context, given) if what == "tool" else _sessions(context, given))
    return await _signed_in(context, what)


async def _desired(context: Context) -> Desired | None:
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT), context.desired() as adapter:
            return await adapter.request(ReadDesired(), timeout=ANSWER_TIMEOUT)
    except (HubError, TimeoutError):
        return None


async def _sessions(context: Context, given: Sequence[str]) -> list[str]:
    """Return the ids of the newest sessions, which `end` accepts."""
    if given[0] != "end":
        return []
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT), context.actual() as hub:
            answer = await hub.request(ListSessions(), timeout=ANSWER_TIMEOUT)
    except (HubError, TimeoutError):
        return []
    return [session.id for session in answer.sessions]


async def _signed_in(context: Context, what: str) -> list[str]:
    """Return the ids of all grants or users."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT), context.desired() as adapter:
            if what == "grant":
                return [each.id for each in (await adapter.request(ListGrants(), timeout=ANSWER_TIMEOUT)).grants]
            return [each.id for each in (await adapter.request(ListUsers(), timeout=ANSWER_TIMEOUT)).users]
    except (HubError, TimeoutError):
        return []


async def _tools(context: Context, given: Sequence[str]) -> list[str]:
    desired = await _desired(context)
    specs = desired.snapshot.workspaces if desired else ()
    names = {spec.slug: spec.name for spec in specs} | {spec.name: spec.name for spec in specs}
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT), context.actual() as hub:
            answer = await hub.request(ListTools(workspace=names.get(given[0], "")), timeout=ANSWER_TIMEOUT)
    except (HubError, TimeoutError):
        return []
    return [str(tool["name"]) for tool in answer.tools]
