"""Signatures of requests between replicas: which are accepted, and what each of the others is told."""

from __future__ import annotations

import pytest

from sidecar.replicas import signature
from sidecar.replicas.errors import ReplicaLoop, ReplicaSignatureInvalid
from sidecar.replicas.signature import MAX_AGE, WINDOW, Numbers, Sender, Signed, Signer, Verifier

KEY = b"k" * 32
CALL = Signed("POST", b"/mcp/w?x=1", b"{}", b"Bearer token")
NOW = 1_800_000_000.0


class Clock:
    """A clock that is set by hand."""

    now = NOW

    def __call__(self) -> float:
        return self.now


def test_a_signed_request() -> None:
    """It says who has sent it, and the address of whose request it is."""
    verifier, signer = Verifier(KEY, "r1", Clock()), Signer(KEY, "r0", Clock())
    assert verifier.verify(signer.sign("r1", "2001:db8::1", CALL), CALL) == Sender("r0", "2001:db8::1")
    assert verifier.verify(signer.sign("r1", "", CALL), CALL) == Sender("r0", "")
    assert verifier.verify(signer.sign("r1", "no address", CALL), CALL) == Sender("r0", "")


@pytest.mark.parametrize(
    "other",
    [
        CALL._replace(method="DELETE"),
        CALL._replace(target=b"/mcp/v?x=1"),
        CALL._replace(body=b"[]"),
        CALL._replace(authorization=b"Bearer other"),
    ],
)
def test_a_request_that_was_changed(other: Signed) -> None:
    """Nothing that matters can be changed on the way."""
    header = Signer(KEY, "r0", Clock()).sign("r1", "", CALL)
    with pytest.raises(ReplicaSignatureInvalid, match="not signed"):
        Verifier(KEY, "r1", Clock()).verify(header, other)


@pytest.mark.parametrize("header", [b"", b"x", b"1 r0 r1 0 00 1 - \xff", b"1 r0 r1 0 00 1 - " + b"0" * 64])
def test_what_is_no_signature(header: bytes) -> None:
    """Nor can it be made up, or made with another secret."""
    verifier = Verifier(KEY, "r1", Clock())
    for each in (header, Signer(b"o" * 32, "r0", Clock()).sign("r1", "", CALL)):
        with pytest.raises(ReplicaSignatureInvalid):
            verifier.verify(each, CALL)


def test_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later version of the hub may sign in another way."""
    monkeypatch.setattr(signature, "VERSION", "2")
    header = Signer(KEY, "r0", Clock()).sign("r1", "", CALL)
    monkeypatch.undo()
    with pytest.raises(ReplicaSignatureInvalid, match="another version"):
        Verifier(KEY, "r1", Clock()).verify(header, CALL)


def test_a_request_for_another_replica() -> None:
    """It would go on for ever."""
    with pytest.raises(ReplicaLoop, match="'r0' sent a request for 'r2' to 'r1'"):
        Verifier(KEY, "r1", Clock()).verify(Signer(KEY, "r0", Clock()).sign("r2", "", CALL), CALL)


@pytest.mark.parametrize("skew", [-60.0, 60.0])
def test_clocks_that_differ(skew: float) -> None:
    """A minute does no harm; more than MAX_AGE is refused, in both directions."""
    there, here = Clock(), Clock()
    there.now += skew
    verifier = Verifier(KEY, "r1", here)
    assert verifier.verify(Signer(KEY, "r0", there).sign("r1", "", CALL), CALL).replica == "r0"
    there.now = here.now + (MAX_AGE + 1 if skew > 0 else -MAX_AGE - 1)
    with pytest.raises(ReplicaSignatureInvalid, match="clock"):
        verifier.verify(Signer(KEY, "r0", there).sign("r1", "", CALL), CALL)


def test_a_request_that_comes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is accepted once, in whichever order they come; processes that are unused are forgotten."""
    monkeypatch.setattr(signature, "MAX_SENDERS", 2)
    verifier, signer = Verifier(KEY, "r1", Clock()), Signer(KEY, "r0", Clock())
    first, second = (signer.sign("r1", "", CALL) for _ in range(2))
    verifier.verify(second, CALL)
    verifier.verify(first, CALL)
    for header in (first, second):
        with pytest.raises(ReplicaSignatureInvalid, match="twice"):
            verifier.verify(header, CALL)
    for _ in range(3):
        verifier.verify(Signer(KEY, "r0", Clock()).sign("r1", "", CALL), CALL)
    assert len(verifier._numbers) == 2


def test_numbers() -> None:
    """What is too far behind the highest number counts as used."""
    numbers = Numbers()
    assert [numbers.use(number) for number in (2, 1, 1, WINDOW + 2, 2, 3, 3)] == [
        *(True, True, False, True, False, True, False)
    ]
    assert not numbers.use(0)
