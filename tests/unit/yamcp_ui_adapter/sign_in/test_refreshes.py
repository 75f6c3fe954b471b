"""Refresh tokens by properties: whatever owner and thief do in which order, a copy does not go on unnoticed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.credentials.records import GrantRecord, RefreshRecord
from bridge.keys import token_hash
from tests.support.properties import examples
from yamcp_ui_adapter.sign_in.refreshes import GRACE_SECONDS, MAX_SPENT, MAX_UNUSED, Refreshes, Verdict, verdict
from yamcp_ui_adapter.sign_in.state import Lifetimes, State

LIFETIMES = Lifetimes(3600, 30 * 86_400)
GRANT = GrantRecord(id="g1", client="c1", principal="admin", workspace="w", at=0)


class Family:
    """The refresh tokens of one grant, as the authorization server treats them."""

    def __init__(self) -> None:
        self.state = State(10)
        self.now = 0.0
        self.over = False
        first = RefreshRecord(hash=token_hash("0"), grant=GRANT.id, until=LIFETIMES.refresh)
        self.state.apply(GRANT)
        self.state.apply(first)

    def use(self, secret: str) -> tuple[Verdict | None, str]:
        """Try a token; return the verdict (None: it is unknown) and the new token."""
        record = self.state.refreshes.find(token_hash(secret))
        if self.over or record is None:
            return None, ""
        found = verdict(record, self.state.refreshes.family(GRANT.id), self.now)
        if found in (Verdict.GOOD, Verdict.GRACE):
            made = self.state.refresh(record, (), LIFETIMES, self.now)
            for each in made.records:
                self.state.apply(each)
            return found, made.tokens.refresh_token
        self.over = found is Verdict.REPLAYED
        return found, ""


STEPS = st.lists(
    st.tuples(st.sampled_from(["owner", "thief"]), st.sampled_from([1.0, 30.0, 61.0, 3600.0])), max_size=40
)


@given(STEPS, st.integers(0, 5))
@examples(60)
def test_a_copy_is_noticed_when_both_have_used_theirs(steps: list[tuple[str, float]], stolen_at: int) -> None:
    """Owner and thief each use the newest token that they have. Whoever comes more than the grace after the other has
    made a new generation, or after two of them, is refused, and then both are out; nobody else is refused.
    """
    family, held = Family(), {"owner": "0", "thief": ""}
    since: dict[str, list[float]] = {"owner": [], "thief": []}
    """When the other one made a new generation, since each has its token."""
    for number, (who, wait) in enumerate(steps):
        family.now += wait
        if number == stolen_at:
            held["thief"], since["thief"] = held["owner"], list(since["owner"])
        if not held[who]:
            continue
        found, new = family.use(held[who])
        match since[who]:
            case []:
                assert found is Verdict.GOOD
                since["thief" if who == "owner" else "owner"].append(family.now)
            case [last] if family.now - last <= GRACE_SECONDS:
                assert found is Verdict.GRACE
            case _:
                assert found is Verdict.REPLAYED
                assert [family.use(each) for each in held.values()] == [(None, "")] * 2
                return
        held[who], since[who] = new, []


@given(st.lists(st.sampled_from([0.0, 59.0, 61.0, 3600.0]), max_size=30), st.data())
@examples(30)
def test_an_honest_client_that_loses_answers_is_never_out(waits: list[float], data: st.DataObject) -> None:
    """It repeats within the grace, at most as often as allowed, and goes on with any of the answers it got."""
    family, secret = Family(), "0"
    for wait in waits:
        family.now += wait
        tries = data.draw(st.integers(1, MAX_UNUSED))
        got = [family.use(secret) for _ in range(tries)]
        assert all(found in (Verdict.GOOD, Verdict.GRACE) for found, _ in got)
        secret = data.draw(st.sampled_from([new for _, new in got]))
    assert not family.over


@given(st.lists(st.sampled_from([1.0, 61.0, 3600.0]), min_size=2, max_size=20), st.data())
@examples(30)
def test_no_token_older_than_the_former_gives_anything(waits: list[float], data: st.DataObject) -> None:
    """Whatever the time between: its successor's use shows that its answer arrived."""
    family, chain = Family(), ["0"]
    for wait in waits:
        family.now += wait
        chain.append(family.use(chain[-1])[1])
    old = data.draw(st.integers(0, len(chain) - 3))
    assert family.use(chain[old]) == (Verdict.REPLAYED, "")
    assert family.use(chain[-1]) == (None, "")


def test_memory_of_used_tokens_is_bounded() -> None:
    """One that is forgotten is refused as unknown, and the grant goes on."""
    family, chain = Family(), ["0"]
    for _ in range(100):
        family.now += 3600
        chain.append(family.use(chain[-1])[1])
    assert len(family.state.refreshes) == MAX_SPENT + 1
    assert family.use(chain[0]) == (None, "")
    assert family.use(chain[-1])[0] is Verdict.GOOD
    assert family.use(chain[-MAX_SPENT])[0] is Verdict.REPLAYED


def test_expiry() -> None:
    """An unused token is good until its end; the family's end is that of its last unused one."""
    family = Family()
    assert family.state.refreshes.expires(GRANT.id) == LIFETIMES.refresh
    family.now = LIFETIMES.refresh
    assert family.use("0")[0] is Verdict.EXPIRED
    assert not family.over
    assert Refreshes().expires("g9") == 0
