"""The registered OAuth clients: a bounded number, each for a limited time. Pure; times are Unix time in seconds."""

from __future__ import annotations

import secrets
from collections.abc import Collection

from bridge.credentials.records import AnyRecord, ClientEnd, ClientRecord
from bridge.models import RegisterClient
from yamcp_ui_adapter.sign_in.errors import ClientInvalid, TooManyClients
from yamcp_ui_adapter.sign_in.redirects import redirect_fault

UNUSED_SECONDS = 3600.0
"""How long a registration lasts that no user has allowed anything."""
USED_SECONDS = 90 * 86_400.0
"""How long one lasts after its last use."""
USE_SECONDS = 86_400.0
"""A use is recorded only if the last recorded one is older than this."""
MAX_URIS_CHARACTERS = 4096
"""Characters of a client's redirect URIs together: anybody may register a client."""


class Clients:
    """The registered clients, by id."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[str, ClientRecord] = {}

    def __len__(self) -> int:
        return len(self._known)

    def apply(self, record: ClientRecord | ClientEnd) -> None:
        """Apply a record of the journal."""
        if isinstance(record, ClientEnd):
            self._known.pop(record.id, None)
        else:
            self._known[record.id] = record

    def records(self) -> Collection[ClientRecord]:
        """All clients."""
        return self._known.values()

    def find(self, client: str, now: float) -> ClientRecord | None:
        """The client with that id; None if there is none, or its registration has expired."""
        found = self._known.get(client)
        return found if found and expires(found) > now else None

    def register(self, body: RegisterClient, now: float) -> tuple[ClientRecord, list[AnyRecord]]:
        """Return the new client, and the records that register it; at the limit, the oldest unused client goes.

        Raises:
            ClientInvalid: its name, id or a redirect URI is not valid.
            TooManyClients: all clients are in use.
        """
        check(body)
        ended: list[AnyRecord] = list(self.expired(now))
        known = self._known.keys() - {record.id for record in ended if isinstance(record, ClientEnd)}
        used = self.find(body.id, now) if body.id else None
        if len(known) >= self._most and body.id not in known:
            unused = [record for record in self._known.values() if record.used is None and record.id in known]
            if not unused:
                raise TooManyClients(f"{self._most} OAuth clients are registered, and all of them are used.")
            ended.append(ClientEnd(id=min(unused, key=lambda record: record.at).id))
        client = ClientRecord(
            id=body.id or f"c{secrets.token_hex(8)}",
            name=body.name,
            redirect_uris=body.redirect_uris,
            uri=body.uri,
            at=now,
            used=used.used if used else None,
        )
        return client, [*ended, client]

    def use(self, client: str, now: float) -> list[AnyRecord]:
        """Return the records that say that a client is used now, which prolongs its registration."""
        found = self._known.get(client)
        if found is None or (found.used is not None and now - found.used < USE_SECONDS):
            return []
        return [found.model_copy(update={"used": now})]

    def expired(self, now: float) -> list[ClientEnd]:
        """Return the records that end registrations which have expired."""
        return [ClientEnd(id=record.id) for record in self._known.values() if expires(record) <= now]


def expires(client: ClientRecord) -> float:
    """When a registration expires."""
    return client.at + UNUSED_SECONDS if client.used is None else client.used + USED_SECONDS


def check(body: RegisterClient) -> None:
    """Check what a client says of itself. Raises ClientInvalid."""
    if not body.name.isprintable():
        raise ClientInvalid("The name of the client has characters that cannot be seen.")
    if body.id and (redirect_fault(body.id) or not body.id.startswith("https://")):
        raise ClientInvalid("The id of the client is not an https:// address.")
    if body.uri and not body.uri.startswith(("https://", "http://")):
        raise ClientInvalid("The address of the client's home page is not one of http:// or https://.")
    for uri in body.redirect_uris:
        if fault := redirect_fault(uri):
            raise ClientInvalid(f"A redirect URI of the client cannot be used: {fault}.", oauth="invalid_redirect_uri")
    if sum(map(len, body.redirect_uris)) > MAX_URIS_CHARACTERS:
        message = f"The redirect URIs of the client have more than {MAX_URIS_CHARACTERS} characters."
        raise ClientInvalid(message, oauth="invalid_redirect_uri")
