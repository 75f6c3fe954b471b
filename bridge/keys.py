"""Authentication of a protected hub: its token, the front's own key, and the named keys of keys.json.

`front/server/access/keys.mjs` implements the same in Node; `bridge/vectors/keys.json` tests both.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bridge.settings import TOKEN, Settings

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""Seconds between two checks of the files for changes, independent of the requests, so that file access does not show
which keys are tried."""
MAX_UNKNOWN_KEY_CHECKS = 25
"""Further checks within POLL_SECONDS, for requests with an unknown key, which may just have been added."""
MAX_FILE_SIZE = 1 << 20
"""Bytes of the largest file that is read."""
ADMIN, FRONT = "admin", "front"
"""Ids of the principals of the hub's token and of the front's key."""
OWN_PRINCIPALS = frozenset({"", ADMIN, FRONT})
"""Ids of the principals that use the hub's common workspaces and accounts; empty is the id of all clients in an
unprotected hub. Rules of access.json are not for them; the limits of a grant (`Principal.workspaces`) are."""
HASH_PREFIX = "sha256:"
"""Prefix of the content of a token file that has the token's hash (hexadecimal) instead of the token."""
KEY_ID = re.compile(r"k[0-9a-f]{7}")
_KEY = re.compile(rf"yh_({KEY_ID.pattern})_[A-Za-z0-9_-]{{43}}")
_HASH = re.compile(r"[0-9a-f]{64}")
_NO_HASH = sha256(secrets.token_bytes()).hexdigest()
"""Compared with where there is no hash, so that a check always takes the same time."""

Stamp = tuple[int, int, int] | None


@dataclass(frozen=True)
class Principal:
    """The owner of a request. `workspaces`: the names of the workspaces that it may use; None for all."""

    id: str
    name: str
    workspaces: frozenset[str] | None = None
    admin: bool = False
    mark: str = field(default="", repr=False, compare=False)
    """Of a key, the hash of its token, to detect that the key with this id has a new one. Of a user, empty; `jwt` for
    one who comes with the token of an external authorization server."""
    valid_until: float | None = None
    """When its token ends (Unix time); None for one that lasts until it is revoked. For a grant, the end of its newest
    access token: a refresh prolongs what is open."""
    grant: str = ""
    """The id of the OAuth grant that its token belongs to; empty for the hub's token, keys and browser logins."""
    client: str = ""
    """The name of the OAuth client that the grant was made for."""
    subjects: frozenset[str] = frozenset()
    """What access.json may name it by: `key:<id>`, `key:<name>`, `user:<id>`, `email:<address in lower case>`,
    `group:<name>`, `role:<role in its claims>`. `*` is implicit."""
    claims: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Of a user: `sub`, `name`, `email` and `issuer`, for templates of headers; empty for others."""

    @property
    def expired(self) -> bool:
        """Whether its token has ended by itself."""
        return self.valid_until is not None and time.time() >= self.valid_until

    def may_use(self, workspace: str) -> bool:
        """Whether the principal may use the workspace of that name."""
        return self.workspaces is None or workspace in self.workspaces


class StoredKey(BaseModel):
    """A named key in keys.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(pattern=rf"^{KEY_ID.pattern}$")
    name: str = Field(min_length=1, max_length=64)
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the token, in hexadecimal."""
    workspaces: Annotated[tuple[str, ...], Field(strict=False)] | None
    admin: bool
    created: float = Field(allow_inf_nan=False)
    """Unix time."""

    @model_validator(mode="after")
    def _admins_have_all(self) -> Self:
        if self.admin and self.workspaces is not None:
            raise ValueError("an admin key is not limited to workspaces")
        return self

    def principal(self) -> Principal:
        """The principal of this key."""
        allowed = None if self.workspaces is None else frozenset(self.workspaces)
        subjects = frozenset({f"key:{self.id}", f"key:{self.name}"})
        return Principal(self.id, self.name, allowed, self.admin, self.hash, subjects=subjects)


def _whole(value: object) -> object:
    """Convert 1.0 to 1: JSON does not distinguish them."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class KeysFile(BaseModel):
    """The content of keys.json. If any part is invalid, none of its keys is accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Annotated[int, BeforeValidator(_whole)] = Field(1, ge=1, le=1)
    keys: Annotated[tuple[StoredKey, ...], Field(strict=False, max_length=10_000)] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for kind in ("id", "name"):
            if len({getattr(key, kind) for key in self.keys}) < len(self.keys):
                raise ValueError(f"two keys have the same {kind}")
        return self


def parse_keys(raw: bytes) -> KeysFile:
    """Parse keys.json. Raises ValueError, whose message contains no values of the file."""
    try:
        return KeysFile.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from None


def new_token(key: str) -> str:
    """Generate a token for the named key with that id."""
    return f"yh_{key}_{secrets.token_urlsafe(32)}"


def key_id(token: str) -> str | None:
    """The id of a named key in its token; None if the token does not have that form."""
    found = _KEY.fullmatch(token)
    return found[1] if found else None


def token_hash(token: str) -> str:
    """The hash under which a token is stored. It is not salted, as tokens have 256 random bits or are the hub's own."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def hash_in(text: str) -> str | None:
    """The hash in the content of a token file, which has a token or its hash; None if it has neither."""
    text = text.strip(" \t\r\n")
    if text.startswith(HASH_PREFIX):
        stated = text.removeprefix(HASH_PREFIX)
        return stated if _HASH.fullmatch(stated) else None
    return token_hash(text) if TOKEN.fullmatch(text) else None


class Keyring:
    """All valid keys. The files are checked every POLL_SECONDS when requests arrive, and read when they changed."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked = float("-inf")
        self._spare_checks = MAX_UNKNOWN_KEY_CHECKS
        self._given = token_hash(settings.token.get_secret_value()) if settings.token else None
        token_file = None if self._given else settings.token_file or settings.own_token_file
        self._files = {ADMIN: token_file, FRONT: settings.front_key_file, "keys": settings.keys_file}
        self._stamps: dict[str, Stamp] = {}
        self._hashes: dict[str, str | None] = {ADMIN: self._given, FRONT: None}
        self._named: dict[str, StoredKey] = {}
        self.error: str = ""
        """Why keys.json is invalid, so that no named key is accepted; empty if it is valid."""
        self.version = 0
        """Incremented after each change of a file."""
        self.refresh()

    @property
    def named(self) -> bool:
        """Whether there are named keys."""
        return bool(self._named)

    def principals(self) -> tuple[Principal, ...]:
        """The named keys."""
        return tuple(key.principal() for key in self._named.values())

    def check(self, token: str) -> Principal | None:
        """The principal of a token; None if it is invalid. Takes the same time for every token."""
        self._poll()
        said, name = token_hash(token), key_id(token) or ""
        self._look_for(name)
        named = self._named.get(name)
        found = [
            (hmac.compare_digest(self._hashes[ADMIN] or _NO_HASH, said), Principal(ADMIN, ADMIN, None, True, said)),
            (hmac.compare_digest(self._hashes[FRONT] or _NO_HASH, said), Principal(FRONT, FRONT, None, True, said)),
            (hmac.compare_digest(named.hash if named else _NO_HASH, said), named.principal() if named else None),
        ]
        return next((principal for matches, principal in found if matches), None)

    def current(self, principal: Principal) -> Principal | None:
        """The current state of a principal, whose workspaces may have changed; None if its token is no longer valid."""
        self._poll()
        if principal.id in self._hashes:
            return principal if self._hashes[principal.id] == principal.mark else None
        named = self._named.get(principal.id)
        return named.principal() if named and named.hash == principal.mark else None

    def holder(self, principal: str) -> Principal | None:
        """The principal with that id, as it is now: of the hub's token, the front's key or a named key."""
        self._poll()
        if principal in self._hashes:
            mark = self._hashes[principal]
            return Principal(principal, principal, None, True, mark) if mark else None
        self._look_for(principal)
        named = self._named.get(principal)
        return named.principal() if named else None

    def _look_for(self, key: str) -> None:
        """Check the files now if no key has that id: it may have been added a moment ago."""
        if KEY_ID.fullmatch(key) and key not in self._named and self._spare_checks:
            self._spare_checks -= 1
            self.refresh()

    def readable(self, principal: str) -> bool:
        """Whether the file that has the token of that principal says what it is now: a missing or invalid token file,
        or an invalid keys.json, does not."""
        self._poll()
        return self._hashes[principal] is not None if principal in self._hashes else not self.error

    def _poll(self) -> None:
        if self._clock() - self._looked >= POLL_SECONDS:
            self._spare_checks = MAX_UNKNOWN_KEY_CHECKS
            self.refresh()

    def refresh(self) -> None:
        """Check the files now, and read those that changed."""
        self._looked = self._clock()
        for name, path in self._files.items():
            if path is None:
                continue
            stamp = _stamp(path)
            if name not in self._stamps or self._stamps[name] != stamp:
                self._stamps[name] = stamp
                self._read(name, path)
                self.version += 1

    def _read(self, name: str, path: Path) -> None:
        raw = _read(path)
        if name == "keys":
            self._read_keys(path, raw)
            return
        text = (raw or b"").decode("utf-8", "replace")
        self._hashes[name] = hash_in(text)
        if self._hashes[name] is None and raw is not None:
            log.error("the file holds no token that can be used", extra={"file": str(path)})

    def _read_keys(self, path: Path, raw: bytes | None) -> None:
        self._named, self.error = {}, ""
        if raw is None and self._stamps["keys"] is None:
            return
        try:
            self._named = {key.id: key for key in parse_keys(raw or b"").keys}
        except ValueError as error:
            self.error = str(error)
        if self.error:
            log.error("no named key is let in: the file cannot be used", extra={"file": str(path), "why": self.error})


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path) -> bytes | None:
    """The content of a file; None if it is missing or unreadable, empty if it is too large."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_SIZE + 1)
    except OSError:
        return None
    return raw if len(raw) <= MAX_FILE_SIZE else b""
