"""The lines of `credentials.jsonl`, one JSON object each. The adapter writes them; sidecar and front read them.

Of several records with the same id, the newest counts. Readers ignore records of an unknown type and unknown fields,
which a later version of the hub may have written. Times are in seconds (Unix time). The journal holds hashes of tokens
only (SHA-256 in hexadecimal; tokens have 256 random bits, so the hash needs no salt).
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bridge import credentials
from bridge.codec import explain

JOURNAL_FILE = credentials.JOURNAL_FILE
TOKEN_CHARACTERS = 43
"""Characters of base64url after the prefix of a token: 256 random bits."""
ACCESS, REFRESH, CODE = "yha_", "yhr_", "yhc_"
"""Prefixes of access tokens, refresh tokens and authorization codes."""
_ACCESS_TOKEN = re.compile(rf"{ACCESS}[A-Za-z0-9_-]{{{TOKEN_CHARACTERS}}}")

Moment = Annotated[float, Field(allow_inf_nan=False)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
EndReason = Literal["revoked", "replayed", "expired", "signed_out"]
"""Why a grant ended. `revoked`: on request, or as its principal or workspace is gone. `replayed`: a code or refresh
token came that had been used before, so it was copied. `signed_out`: its client gave it back (RFC 7009)."""


class Record(BaseModel):
    """Base class of records."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


Texts = Annotated[tuple[str, ...], Field(strict=False)]


class Head(Record):
    """The first line of the file. Each compaction makes a new file with another id: inode numbers come again."""

    t: Literal["journal"] = "journal"
    id: str
    version: Literal[1] = 1


class ClientRecord(Record):
    """A registered client. Its id is `c` and 16 hexadecimal digits, or a URL (Client ID Metadata Document)."""

    t: Literal["client"] = "client"
    id: str
    name: str = ""
    redirect_uris: Texts = ()
    uri: str = ""
    at: Moment
    used: Moment | None = None


class ClientEnd(Record):
    """The registration of a client has ended."""

    t: Literal["client_end"] = "client_end"
    id: str


class UserRecord(Record):
    """A user and its claims, as the provider said when the user last signed in."""

    t: Literal["user"] = "user"
    id: str
    issuer: str
    sub: str
    name: str = ""
    email: str = ""
    groups: Texts = ()
    roles: Texts = ()
    at: Moment


class UserEnd(Record):
    """A user is removed; all its grants and logins end."""

    t: Literal["user_end"] = "user_end"
    id: str


class GrantRecord(Record):
    """What a principal has allowed a client. It comes again with another workspace after that was renamed."""

    t: Literal["grant"] = "grant"
    id: str
    client: str
    client_name: str = ""
    redirect_host: str = ""
    principal: str
    """`admin`, the id of a key, or the id of a user."""
    workspace: str
    scopes: Texts = ()
    at: Moment
    resource: str = ""
    """The resource as the client named it."""
    login: str = ""
    """The browser login in which a user allowed it."""
    mark: str = ""
    """Of the principal's token when the grant was made (`mark_of`): with another one, the grant ends. Empty: a user."""


class GrantEnd(Record):
    """A grant has ended, with all of its tokens."""

    t: Literal["grant_end"] = "grant_end"
    id: str
    why: EndReason = "revoked"


class TokenRecord(Record):
    """An access token."""

    t: Literal["token"] = "token"
    hash: Hash
    grant: str
    until: Moment


class RefreshRecord(Record):
    """A refresh token, without `used` as it is issued, and again when it is used."""

    t: Literal["refresh"] = "refresh"
    hash: Hash
    grant: str
    until: Moment
    used: Moment | None = None


class LoginRecord(Record):
    """A browser login of a user, or of a key."""

    t: Literal["login"] = "login"
    id: str
    principal: str
    until: Moment
    sid: str = ""
    issuer: str = ""


class LoginEnd(Record):
    """A browser login has ended."""

    t: Literal["login_end"] = "login_end"
    id: str


class GrantUsed(Record):
    """When a request last came with a token of the grant."""

    t: Literal["grant_used"] = "grant_used"
    id: str
    at: Moment


AnyRecord = (
    Head
    | ClientRecord
    | ClientEnd
    | UserRecord
    | UserEnd
    | GrantRecord
    | GrantEnd
    | TokenRecord
    | RefreshRecord
    | LoginRecord
    | LoginEnd
    | GrantUsed
)
_ANY: TypeAdapter[AnyRecord] = TypeAdapter(Annotated[AnyRecord, Field(discriminator="t")])


def record_of(line: bytes) -> AnyRecord | None:
    """The record of a line; None for one of an unknown type. Raises ValueError for a line that is not a record."""
    try:
        return _ANY.validate_json(line)
    except ValidationError as error:
        if any(each["type"] == "union_tag_invalid" for each in error.errors(include_url=False, include_input=False)):
            return None
        raise ValueError(explain(error)) from None


def line_of(record: AnyRecord) -> bytes:
    """The record as a line of the journal."""
    return record.model_dump_json().encode() + b"\n"


def is_access_token(token: str) -> bool:
    """Whether a token has the form of an access token of the hub's authorization server."""
    return _ACCESS_TOKEN.fullmatch(token) is not None


def user_id(issuer: str, subject: str) -> str:
    """The id of a user: `u` and 15 hexadecimal digits."""
    return "u" + sha256(f"{issuer}\n{subject}".encode()).hexdigest()[:15]


def mark_of(hash_of_token: str) -> str:
    """What a grant keeps of the token of its principal, whose hash is given: 16 hexadecimal digits."""
    return sha256(f"grant:{hash_of_token}".encode()).hexdigest()[:16]
