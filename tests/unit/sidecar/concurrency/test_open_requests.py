"""How many requests, and of how many bytes, a client, a key, and all together may have open."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from bridge.settings.requests import RequestSettings
from sidecar.concurrency.open_requests import OpenRequests
from sidecar.concurrency.shares import Caller
from sidecar.flood_errors import ServerBusy
from sidecar.http_errors import BodiesLimit

A, B, OTHER = Caller("k", "a"), Caller("k", "b"), Caller("other", "c")


def open_requests(client: int = 1 << 30, total: int = 1 << 40, number: int = 100) -> OpenRequests:
    """With these limits."""
    return OpenRequests(RequestSettings(max_client_bytes=client, max_requests_bytes=total, max_client_requests=number))


def fill(requests: OpenRequests, stack: ExitStack, caller: Caller, size: int) -> int:
    """Open requests of that size until one is refused with BODIES_LIMIT; returns how many there are."""
    count = 0
    with pytest.raises(BodiesLimit):
        while True:
            stack.enter_context(requests.counted(caller, size))
            count += 1
    return count


def test_a_client_has_a_limit_of_bytes() -> None:
    """One request is always taken; what ended is not counted, whatever its end was."""
    requests = open_requests(client=10_000)
    with ExitStack() as stack:
        assert fill(requests, stack, A, 3_000) == 3
        with requests.counted(B, 50_000), pytest.raises(BodiesLimit, match="with 50000 bytes"), requests.counted(B, 1):
            pass
    assert requests.bytes == 0
    with pytest.raises(KeyError), requests.counted(A, 3_000):
        raise KeyError
    assert (requests.bytes, requests._numbers, requests._of_client, requests._of_key) == (0, {}, {}, {})


def test_clients_share_the_total() -> None:
    """A single one gets half of it, a second one a third; there is always something left for the next one."""
    requests = open_requests(total=90_000)
    with ExitStack() as stack:
        assert fill(requests, stack, Caller("", "1"), 1_000) == 45
        assert fill(requests, stack, Caller("", "2"), 1_000) == 23
        assert fill(requests, stack, Caller("", "3"), 1_000) == 11
        assert requests.bytes < 90_000


def test_a_key_shares_the_total_too() -> None:
    """However many clients use it, other keys get their share."""
    requests = open_requests(total=90_000)
    with ExitStack() as stack:
        most = sum(fill(requests, stack, Caller("k", str(number)), 1_000) for number in range(50))
        assert most == 45
        assert fill(requests, stack, OTHER, 1_000) == 23


def test_a_client_has_a_limit_of_requests() -> None:
    """Also of those in one batch; other clients are not concerned."""
    requests = open_requests(number=3)
    with requests.counted(A, 10, 2):
        with pytest.raises(ServerBusy, match="2 requests of this client"), requests.counted(A, 10, 2):
            pass
        with requests.counted(A, 10), requests.counted(B, 10, 3):
            pass
    with requests.counted(A, 10, 0):  # a batch that is refused later
        assert requests.bytes == 10
    assert requests.bytes == 0
