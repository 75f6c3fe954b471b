"""The signature of a request that one replica hands to another one: HMAC-SHA-256 (RFC 2104) over what matters in it.

It proves that a replica has sent the request, to this replica, once and just now. So the receiver serves it itself, and
believes what the sender says of the client's address. It gives no right to anything: the receiver checks the client's
credential again. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from sidecar.replicas.errors import ReplicaLoop, ReplicaSignatureInvalid

HEADER = b"yamcp-replica"
"""The header with the signature."""
VERSION = "1"
MAX_AGE = 90.0
"""Seconds that a signature is valid, and that the clocks of two replicas may differ, less the time on the way."""
WINDOW = 8192
"""Requests of one sender that may arrive in another order than they were signed in."""
MAX_SENDERS = 1024
"""Processes of replicas whose numbers are remembered; the one unused for longest is forgotten first."""
PURPOSE = "requests between replicas"
"""The purpose of the key (`ReplicaSettings.replica_key`)."""


class Signed(NamedTuple):
    """What is signed of a request."""

    method: str
    target: bytes
    """The path and query, as they are sent."""
    body: bytes
    authorization: bytes
    """The client's credential: the header, empty without one."""


class Sender(NamedTuple):
    """What a valid signature says."""

    replica: str
    """The name of the replica that has handed the request over."""
    address: str
    """The client's address, as that replica knows it."""


class Signer:
    """Signs the requests of one process. Each has a number, so that none is accepted twice."""

    def __init__(self, key: bytes, own: str, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._own = own
        self._clock = clock
        self._process = secrets.token_hex(8)
        self._number = 0

    def sign(self, to: str, address: str, signed: Signed) -> bytes:
        """The value of HEADER for a request to the replica `to`, of a client with this address."""
        self._number += 1
        said = " ".join(
            (VERSION, self._own, to, str(int(self._clock())), self._process, str(self._number), _word(address))
        )
        return f"{said} {_mac(self._key, said, signed)}".encode()


class Verifier:
    """Verifies the signatures of other replicas for the one that is called `own`."""

    def __init__(self, key: bytes, own: str, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._own = own
        self._clock = clock
        self._numbers: OrderedDict[str, Numbers] = OrderedDict()
        """The numbers that were used, by process of the sender."""

    def verify(self, header: bytes, signed: Signed) -> Sender:
        """Who has handed a request over.

        Raises:
            ReplicaSignatureInvalid: no replica has signed this request, or not just now, or it came before.
            ReplicaLoop: it was signed for another replica.
        """
        said, _, mac = header.decode("latin-1").rpartition(" ")
        if not hmac.compare_digest(_mac(self._key, said, signed).encode(), mac.encode()):
            raise ReplicaSignatureInvalid("The request was not signed with the secret of the replicas.")
        fields = said.split(" ")
        if len(fields) != 7 or fields[0] != VERSION:
            raise ReplicaSignatureInvalid("The signature has a format of another version of the hub.")
        _, sender, to, made, process, number, address = fields
        if to != self._own:
            raise ReplicaLoop(f"The replica {sender!r} sent a request for {to!r} to {self._own!r}.")
        if abs(self._clock() - int(made)) > MAX_AGE:
            raise ReplicaSignatureInvalid(f"The clock of the replica {sender!r} differs by more than {MAX_AGE:g} s.")
        if not self._numbers_of(process).use(int(number)):
            raise ReplicaSignatureInvalid(f"A request of the replica {sender!r} came twice.")
        return Sender(sender, "" if address == "-" else address)

    def _numbers_of(self, process: str) -> Numbers:
        numbers = self._numbers.setdefault(process, Numbers())
        self._numbers.move_to_end(process)
        if len(self._numbers) > MAX_SENDERS:
            self._numbers.popitem(last=False)
        return numbers


class Numbers:
    """The numbers that one process has used: a window up to the highest one (as RFC 4303, 3.4.3)."""

    def __init__(self) -> None:
        self._highest = 0
        self._used = array("Q", bytes(8 * WINDOW))

    def use(self, number: int) -> bool:
        """Note that a number is used; False if it was used before, or is too far behind to know."""
        if number <= max(0, self._highest - WINDOW) or self._used[number % WINDOW] == number:
            return False
        self._used[number % WINDOW] = number
        self._highest = max(self._highest, number)
        return True


def _word(address: str) -> str:
    """The address as one word of visible ASCII characters."""
    usable = address.isascii() and address.isprintable() and " " not in address
    return address if address and usable else "-"


def _mac(key: bytes, said: str, signed: Signed) -> str:
    """The signature (hex). The parts have no line breaks, so no two requests have the same text."""
    body, authorization = (hashlib.sha256(each).hexdigest() for each in (signed.body, signed.authorization))
    lines = (said.encode("latin-1"), signed.method.encode(), signed.target, body.encode(), authorization.encode())
    return hmac.new(key, b"\n".join(lines), "sha256").hexdigest()
