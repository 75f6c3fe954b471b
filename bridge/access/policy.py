"""Compiles access.json into the permissions of principals. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from bridge.access.patterns import PatternSet
from bridge.access.permissions import CompiledRule, Permissions, Standing
from bridge.keys import OWN_PRINCIPALS
from bridge.models.access_file import EVERYBODY, AccessFile, AccessLimit, Role, RoleGrant

if TYPE_CHECKING:
    from bridge.keys import Principal

MAX_KEPT = 1000
"""Principals whose permissions are kept."""
NO_FILE = AccessFile()

Entry = TypeVar("Entry", RoleGrant, AccessLimit)
Identity = tuple[str, str, frozenset[str], frozenset[str] | None, bool]


class Policy:
    """The policy of one access.json; without a file, keys may use what keys.json says, and users nothing."""

    def __init__(self, file: AccessFile | None) -> None:
        self.file = file
        self._file = file or NO_FILE
        self._sets: dict[tuple[str, ...], PatternSet] = {}
        self._rules = self._compile_rules()
        self._grants = _by_subject(self._file.roles)
        self._limits = _by_subject(self._file.limits)
        self._kept: dict[Identity, Permissions] = {}

    def permissions(self, principal: Principal) -> Permissions:
        """The permissions of a principal. Those of the last ones asked for are kept."""
        identity = (principal.id, principal.name, principal.subjects, principal.workspaces, principal.admin)
        if (found := self._kept.get(identity)) is None:
            if len(self._kept) >= MAX_KEPT:
                del self._kept[next(iter(self._kept))]
            found = self._kept[identity] = self._permissions(principal)
        return found

    def _permissions(self, principal: Principal) -> Permissions:
        subjects = subjects_of(principal)
        rules = [rule for subject in subjects for rule in self._rules.get(subject, ())]
        rules.sort(key=lambda each: each.index)
        return Permissions(principal, self._standing(principal, subjects), tuple(rules))

    def _standing(self, principal: Principal, subjects: frozenset[str]) -> Standing:
        own = principal.id in OWN_PRINCIPALS
        grants = [grant for subject in subjects for grant in self._grants.get(subject, ())]
        limits = [limit for subject in subjects for limit in self._limits.get(subject, ())]
        return Standing(
            role="admin" if own or principal.admin else _highest(grants),
            servers=PatternSet(pattern for grant in grants for pattern in grant.servers or ()),
            workspaces=PatternSet(pattern for grant in grants for pattern in grant.workspaces or ()),
            implicit=is_key(principal) and self._file.keys == "own",
            tenant=principal.id if own else self._tenant(principal, subjects),
            limits=() if own else self._in_order(limits),
        )

    def _tenant(self, principal: Principal, subjects: frozenset[str]) -> str:
        return next((tenant for tenant in self._file.tenants if tenant in subjects), principal.id)

    def _in_order(self, limits: list[AccessLimit]) -> tuple[AccessLimit, ...]:
        chosen = set(map(id, limits))
        return tuple(limit for limit in self._file.limits if id(limit) in chosen)

    def _compile_rules(self) -> dict[str, list[CompiledRule]]:
        found: dict[str, list[CompiledRule]] = {}
        for index, rule in enumerate(self._file.rules):
            compiled = CompiledRule(index, rule, self._set(rule.workspaces), self._set(rule.servers))
            found.setdefault(rule.subject, []).append(compiled)
        return found

    def _set(self, patterns: tuple[str, ...] | None) -> PatternSet | None:
        """The set of these patterns, of which rules with equal lists share one."""
        if patterns is None:
            return None
        if (found := self._sets.get(patterns)) is None:
            found = self._sets[patterns] = PatternSet(patterns)
        return found


def subjects_of(principal: Principal) -> frozenset[str]:
    """The subjects by which entries of access.json are for a principal, `*` among them."""
    if principal.id in OWN_PRINCIPALS:
        return frozenset({EVERYBODY})
    own = {f"key:{principal.id}", f"key:{principal.name}"} if is_key(principal) else {f"user:{principal.id}"}
    return principal.subjects | own | {EVERYBODY}


def is_key(principal: Principal) -> bool:
    """Whether the principal is a named key, or a grant that a key has made: not a user who has signed in."""
    return principal.id.startswith("k")


def _highest(grants: list[RoleGrant]) -> Role:
    roles = {grant.role for grant in grants}
    ranked: tuple[Role, ...] = ("admin", "owner")
    return next((role for role in ranked if role in roles), "user")


def _by_subject(entries: tuple[Entry, ...]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.subject, []).append(entry)
    return found
