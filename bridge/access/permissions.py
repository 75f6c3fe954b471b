"""What a principal may do according to access.json, and why (docs/access.md). Pure.

`Policy` (bridge/access/policy.py) makes the permissions. The order of rules never matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from bridge.access.annotations import Conditions, effective_hints, fulfils
from bridge.access.patterns import PatternIndex, PatternSet
from bridge.models.access_file import AccessLimit, AccessRule, ItemKind, Role

if TYPE_CHECKING:
    from bridge.keys import Principal

Reason = Literal["admin", "owner", "key", "credential", "none"]
"""What decides where no rule does: a role; a key's own workspaces (keys.json); a credential that is not for the
workspace; or that nothing allows it."""
KINDS: tuple[ItemKind, ...] = ("tool", "resource", "prompt")
MAX_SCOPES = 2000
"""Scopes that are kept for one principal."""


class Decision(NamedTuple):
    """Whether something is allowed, and what decided it."""

    allowed: bool
    rule: int | Reason
    """The index of the deciding rule in access.json (from 0), or why no rule decided."""
    why: str
    """The same in words."""


@dataclass(frozen=True, eq=False, slots=True)
class CompiledRule:
    """A rule with its index in the file, and its patterns prepared."""

    index: int
    rule: AccessRule
    workspaces: PatternSet | None
    servers: PatternSet | None

    @property
    def why(self) -> str:
        """What the rule does, for explanations."""
        verb = "allows" if self.rule.effect == "allow" else "denies"
        return f"rule {self.index} {verb} it to {self.rule.subject}"


@dataclass(frozen=True, eq=False, slots=True)
class Standing:
    """What a principal is, apart from the rules. Made by `Policy`."""

    role: Role
    servers: PatternSet
    """Keys of the servers that it owns."""
    workspaces: PatternSet
    """Names of the workspaces that it owns."""
    implicit: bool
    """Whether it may use what no rule denies, as it has a key with rights of its own."""
    tenant: str
    limits: tuple[AccessLimit, ...]


class Fits:
    """Whether sets of patterns contain a name; each set, which many rules can share, is asked once."""

    __slots__ = ("_known", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._known: dict[PatternSet | None, bool] = {None: True}

    def __call__(self, patterns: PatternSet | None) -> bool:
        """Whether the set contains the name; None, a list that is missing, contains every name."""
        found = self._known.get(patterns)
        if found is None:
            found = self._known[patterns] = patterns is None or self._name in patterns
        return found


class Scope:
    """The rules for one server in one workspace, ready to decide on many items."""

    __slots__ = ("_allowing", "_denying")

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        self._denying: dict[ItemKind, dict[Conditions, PatternIndex]] = {kind: {} for kind in KINDS}
        self._allowing: dict[ItemKind, dict[Conditions, PatternIndex]] = {kind: {} for kind in KINDS}
        for compiled in rules:
            self._add(compiled)

    def _add(self, compiled: CompiledRule) -> None:
        rule = compiled.rule
        by_kind = self._denying if rule.effect == "deny" else self._allowing
        conditions: Conditions = frozenset((rule.annotations or {}).items())
        for kind in KINDS:
            names = rule.names(kind)
            if names is not None:
                index = by_kind[kind].setdefault(conditions, PatternIndex())
                for pattern in names:
                    index.add(pattern, compiled.index)

    def denying(self, kind: ItemKind, name: str, hints: Mapping[str, bool]) -> int | None:
        """The lowest index of a rule that denies the item."""
        return _first(self._denying[kind], name, hints)

    def allowing(self, kind: ItemKind, name: str, hints: Mapping[str, bool]) -> int | None:
        """The lowest index of a rule that allows the item."""
        return _first(self._allowing[kind], name, hints)

    def possible(self, kind: ItemKind, *, implicit: bool) -> bool:
        """Whether an item of that kind can be allowed; `implicit`: without a rule that allows it."""
        whole = self._denying[kind].get(frozenset())
        return (implicit or bool(self._allowing[kind])) and (whole is None or whole.every is None)

    def whole(self, kind: ItemKind, *, implicit: bool) -> bool:
        """Whether every item of that kind is allowed; `implicit`: without a rule that allows it."""
        always = self._allowing[kind].get(frozenset())
        return not self._denying[kind] and (implicit or (always is not None and always.every is not None))


def _first(indexes: Mapping[Conditions, PatternIndex], name: str, hints: Mapping[str, bool]) -> int | None:
    found = (index.first(name) for conditions, index in indexes.items() if fulfils(hints, conditions))
    return min((number for number in found if number is not None), default=None)


class Permissions:
    """What one principal may do. Answers are computed when asked for, and scopes are kept."""

    def __init__(self, principal: Principal, standing: Standing, rules: tuple[CompiledRule, ...]) -> None:
        self.principal = principal
        self._standing = standing
        self._rules = rules
        self._by_index = {compiled.index: compiled for compiled in rules}
        self._of_workspace: dict[str, tuple[CompiledRule, ...]] = {}
        self._scopes: dict[tuple[str, str], Scope] = {}
        self._by_rules: dict[tuple[int, ...], Scope] = {}

    def __eq__(self, other: object) -> bool:
        """Whether both allow the same, as they are made of the same rules, wherever these stand in the file.

        So the lists of a principal need not be built again after an edit that does not concern it.
        """
        return self is other or (isinstance(other, Permissions) and self._made_of() == other._made_of())

    def __hash__(self) -> int:
        """That of its principal."""
        return hash((self.principal.id, self.principal.workspaces))

    def _made_of(self) -> tuple[object, ...]:
        principal, standing = self.principal, self._standing
        rules = [compiled.rule for compiled in self._rules]
        owned = standing.servers.patterns, standing.workspaces.patterns
        return principal.id, principal.workspaces, standing.role, standing.implicit, standing.tenant, owned, rules

    # --- what the principal is ---------------------------------------------------------------------------------------

    @property
    def role(self) -> Role:
        """Its role: the highest of those that access.json gives to its subjects; `user` if none."""
        return self._standing.role

    @property
    def admin(self) -> bool:
        """Whether it may use everything, in the workspaces that its credential is for."""
        return self._standing.role == "admin"

    @property
    def tenant(self) -> str:
        """The id of the tenant whose processes it uses where a server has `tenancy` group: the first of `tenants` that
        it belongs to, else its own id."""
        return self._standing.tenant

    @property
    def limits(self) -> tuple[AccessLimit, ...]:
        """The limits for its subjects, in the order of the file; none for the hub's own principals."""
        return self._standing.limits

    def owns_server(self, key: str) -> bool:
        """Whether it administers the server of that key."""
        return self.admin or key in self._standing.servers

    def owns_workspace(self, name: str) -> bool:
        """Whether it administers the workspace of that name."""
        return self.admin or name in self._standing.workspaces

    # --- what it may use ---------------------------------------------------------------------------------------------

    def may_use(self, workspace: str, servers: Iterable[str] | None = None) -> bool:
        """Whether it may use the workspace of that name.

        `servers`: the keys of its servers, so that a workspace in which nothing can be allowed does not exist for the
        principal. Without them, any rule that allows something of some server there counts, and any server it owns.
        """
        if not self.principal.may_use(workspace):
            return False
        if self.owns_workspace(workspace):
            return True
        if servers is not None and (keys := tuple(servers)):
            return any(self.server(workspace, key) for key in keys)
        if servers is None and self._standing.servers:
            return True
        rules = self._rules_of(workspace)
        scope = self._compiled(tuple(each for each in rules if each.servers is None or each.rule.effect == "allow"))
        return any(scope.possible(kind, implicit=self._standing.implicit) for kind in KINDS)

    def server(self, workspace: str, key: str) -> bool:
        """Whether anything of a server may be seen in a workspace. False only if no list of it could change that."""
        if not self.principal.may_use(workspace):
            return False
        if self.owns_workspace(workspace) or self.owns_server(key):
            return True
        scope = self._scope(workspace, key)
        return any(scope.possible(kind, implicit=self._standing.implicit) for kind in KINDS)

    def whole(self, workspace: str, key: str) -> bool:
        """Whether everything of a server may be used in a workspace, whatever it is called."""
        if (decided := self._by_standing(workspace, key)) is not None:
            return decided.allowed
        scope = self._scope(workspace, key)
        return all(scope.whole(kind, implicit=self._standing.implicit) for kind in KINDS)

    def item(
        self,
        workspace: str,
        server: str,
        kind: ItemKind,
        name: str,
        annotations: Mapping[str, object] | None = None,
    ) -> Decision:
        """Decide on an item, by the server's key and the item's own name; for resources and templates, its own URI.

        `annotations`: those of a tool, as its server declares them.
        """
        if decided := self._by_standing(workspace, server):
            return decided
        scope, hints = self._scope(workspace, server), effective_hints(annotations)
        if (index := scope.denying(kind, name, hints)) is not None:
            return Decision(False, index, self._by_index[index].why)
        if (index := scope.allowing(kind, name, hints)) is not None:
            return Decision(True, index, self._by_index[index].why)
        return OWN_KEY if self._standing.implicit else NOTHING_ALLOWS

    def _by_standing(self, workspace: str, server: str) -> Decision | None:
        """What a role, or the limits of the credential, decide."""
        if not self.principal.may_use(workspace):
            return OTHER_WORKSPACE
        if self.admin:
            return ADMIN_MAY
        if self.owns_workspace(workspace):
            return OWNS_WORKSPACE
        return OWNS_SERVER if self.owns_server(server) else None

    # --- rules by place ----------------------------------------------------------------------------------------------

    def _rules_of(self, workspace: str) -> tuple[CompiledRule, ...]:
        if (found := self._of_workspace.get(workspace)) is None:
            if len(self._of_workspace) >= MAX_SCOPES:
                self._of_workspace.clear()
            fits = Fits(workspace)
            found = self._of_workspace[workspace] = tuple(each for each in self._rules if fits(each.workspaces))
        return found

    def _scope(self, workspace: str, server: str) -> Scope:
        if (found := self._scopes.get((workspace, server))) is None:
            if len(self._scopes) >= MAX_SCOPES:
                self._scopes.clear()
            fits = Fits(server)
            found = self._compiled(tuple(each for each in self._rules_of(workspace) if fits(each.servers)))
            self._scopes[workspace, server] = found
        return found

    def _compiled(self, rules: tuple[CompiledRule, ...]) -> Scope:
        """The scope of these rules, which servers of the same rules share."""
        which = tuple(each.index for each in rules)
        if (found := self._by_rules.get(which)) is None:
            if len(self._by_rules) >= MAX_SCOPES:
                self._by_rules.clear()
            found = self._by_rules[which] = Scope(rules)
        return found


ADMIN_MAY = Decision(True, "admin", "its role is admin")
OWNS_WORKSPACE = Decision(True, "owner", "it is an owner of the workspace")
OWNS_SERVER = Decision(True, "owner", "it is an owner of the server")
OWN_KEY = Decision(True, "key", "its key is for the workspace, and no rule denies it")
OTHER_WORKSPACE = Decision(False, "credential", "its key or grant is not for the workspace")
NOTHING_ALLOWS = Decision(False, "none", "no rule allows it")
