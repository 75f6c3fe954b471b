"""What the replicas go through."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

from bridge.models.cluster import ClusterState
from tests.replicas.client import Client, Failed
from tests.replicas.figures import Report
from tests.replicas.hubs import Hubs, Replica, until
from tests.replicas.load import NAMES, WAYS, Load, anew, failures, load
from tests.support.raw_client import Way

AT_ONCE = 200
"""Clients that open a session at the same time."""
CALLS = 5
CLIENTS = 20
"""Of each transport and era, in all scenes but the first."""
AHEAD = 60
"""Seconds."""


async def many_sessions(hubs: Hubs, report: Report, count: int) -> None:
    """`count` sessions of each transport and era that exist at the same time, half of them through each balancer."""
    begin, commands, transactions = time.monotonic(), await hubs.redis_commands(), await hubs.postgres_transactions()
    for way in WAYS:
        clients = [Client(way, [hubs.ports[number % 2]]) for number in range(count)]
        before = await memory(hubs)
        wrong = await use(clients, open_them=True)
        opened = await memory(hubs) - before
        wrong += await use(clients, open_them=False)
        owners = Counter(each.owner for each in clients if each.owner)
        for each in clients:
            each.close()
        shares = ", ".join(f"{name} {owners[name]}" for name in sorted(owners))
        what = f"{count:,} {'clients' if way == 'modern' else 'sessions at once'}, {NAMES[way]}"
        note = f" in {2 * CALLS * count:,} calls" + (f" ({shares})" if shares else "")
        report.none(f"{what}: failed calls, wrong answers", wrong, note)
        if way == "sse":  # the next ones use memory that these have given back
            report.add(f"{what}: memory of one (sidecars, RSS)", "", f"{opened / count / 1e3:.0f} KB")
            report.measured["session_bytes"] = opened / count
    await until(all_known(hubs), "all replicas are known")
    seconds, replicas = time.monotonic() - begin, len(hubs.replicas)
    commands, transactions = (await hubs.redis_commands()) - commands, await hubs.postgres_transactions() - transactions
    found = f"{hubs.postgres.connections}, {transactions / seconds:.1f}/s"
    report.add("connections to PostgreSQL of all three replicas, transactions", "", found)
    found = f"{hubs.redis.connections}, {commands / seconds:.0f}/s"
    report.add("connections to Redis of all three replicas, commands", "", found)
    report.measured |= {
        "postgres_connections": hubs.postgres.connections / replicas,
        "postgres_transactions": transactions / seconds / replicas,
        "redis_commands": commands / seconds / replicas,
    }


async def use(clients: list[Client], *, open_them: bool) -> Counter[str]:
    """Let each call some times; the failures by code. `open_them`: open their sessions before."""
    turns = asyncio.Semaphore(AT_ONCE)
    wrong: Counter[str] = Counter()

    async def use_one(number: int, client: Client) -> None:
        async with turns:
            try:
                if open_them:
                    await client.open()
                for call in range(CALLS):
                    await client.call(f"{client.way} {number} {open_them} {call}")
            except Failed as failed:
                wrong[failed.code] += 1

    await asyncio.gather(*(use_one(number, each) for number, each in enumerate(clients)))
    return wrong


async def memory(hubs: Hubs) -> int:
    """Bytes of all sidecars."""
    return sum([(await each.sidecar()).memory_info().rss for each in hubs.replicas])


async def killed(hubs: Hubs, report: Report) -> None:
    """kill -9 of one of them."""
    lost = hubs.replicas[1]
    async with load([[port] for port in hubs.ports], CLIENTS) as running:
        await owned(hubs, running)
        running.mark()
        await lost.kill()
        await running.each_calls()
        for way in WAYS[:2]:
            own = [each for each in running.of(way) if each.was == lost.name]
            others = [each for each in running.of(way) if each.was != lost.name]
            went_on = sum(not each.anew for each in own)
            found = f"{len(own)} clients: {went_on} resumed, {len(own) - went_on} anew; calls in progress lost: "
            report.add(f"kill -9: {NAMES[way]}, its clients go on", "all", found + told(failures(own)))
            report.none(f"kill -9: {NAMES[way]}, failed calls of the {len(others)} others", failures(others))
            report.none(f"kill -9: {NAMES[way]}, sessions that the others lost", anew(others))
        modern = running.of("modern")
        most = max(each.failures.total() for each in modern)
        found = f"{told(failures(modern))} of {len(modern)} clients, at most {most} of one"
        report.add(f"kill -9: {NAMES['modern']}, calls in progress lost", "<= 1 of a client", found, most <= 1)
        running.mark()
        await lost.start()
        await until(all_known(hubs), "all replicas are known again")
        await running.each_calls()
        report.none("kill -9: failed calls when it is back", failures(running.players))


async def owned(hubs: Hubs, running: Load) -> None:
    """Make sure that each replica has sessions of both transports."""
    for way in WAYS[:2]:
        owners = {each.client.owner for each in running.of(way)}
        assert owners == {each.name for each in hubs.replicas}, (way, owners)


def told(found: Counter[str]) -> str:
    """The number of failures, with codes."""
    return f"{found.total()}" + (f" ({', '.join(f'{n} {c}' for c, n in sorted(found.items()))})" if found else "")


async def rolling(hubs: Hubs, report: Report) -> None:
    """All of them are replaced, one after the other: hubctl drain, stop, start."""
    async with load([[port] for port in hubs.ports], CLIENTS) as running:
        failed: dict[Way, Counter[str]] = {way: Counter() for way in WAYS}
        again = extra = 0
        sessions = 0
        begin = running.calls
        for each in hubs.replicas:
            running.mark()
            await each.drain()
            await each.stop()
            await each.start()
            await until(all_known(hubs), "all replicas are known again")
            await running.each_calls()
            for way in WAYS:
                failed[way] += failures(running.of(way))
            again += sum(one.was == each.name for one in running.of("sse"))
            extra += sum(one.anew != (one.was == each.name) for one in running.of("sse"))
            sessions += anew(running.of("http"))
        note = f" of {running.calls - begin:,} calls of all clients"
        for way in WAYS[1:]:
            report.none(f"rolling restart: {NAMES[way]}, failed calls", failed[way], note)
        report.none(f"rolling restart: {NAMES['http']}, sessions lost", sessions)
        what = f"rolling restart: {NAMES['sse']}, clients that did not reconnect exactly once for their replica's stop"
        report.none(what, extra, f" ({again} reconnected)")
        refused = failed["sse"]
        what = f"rolling restart: {NAMES['sse']}, calls refused while the stream ended, asked again after it"
        report.add(what, "", told(refused), set(refused) <= {"SESSION_UNKNOWN"})


def all_known(hubs: Hubs) -> Any:
    """Whether each replica knows all as serving."""

    async def known() -> bool:
        found = await asyncio.gather(*(each.replicas() for each in hubs.replicas))
        return all(each["live"] == len(hubs.replicas) and not each["error"] for each in found)

    return known


async def partitions(hubs: Hubs, report: Report) -> None:
    """Neither PostgreSQL nor Redis can be reached for a while."""
    async with load([[port] for port in hubs.ports], CLIENTS) as running:
        running.mark()
        hubs.postgres.cut()

        async def unavailable() -> bool:
            return {each.state for each in await states(hubs.replicas)} == {"unavailable"}

        took = await until(unavailable, "every replica says that PostgreSQL is away")
        report.add("no way to PostgreSQL: all replicas say so after", "", f"{took:.0f} s")
        code, _, err = await hubs.replicas[0].run.hubctl("add", "late", "--", "true")
        refused = code != 0 and "CONFIG_DATABASE_UNAVAILABLE" in err
        report.add("no way to PostgreSQL: an edit", "CONFIG_DATABASE_UNAVAILABLE", err.strip()[:60] or "taken", refused)
        await running.each_calls()
        took = await until(runs(hubs, 0), "the server of one replica has stopped")
        report.add("no way to PostgreSQL: a server with placement one is stopped after another", "", f"{took:.0f} s")
        hubs.postgres.mend()
        took = await until(current(hubs.replicas), "all replicas have the configuration of PostgreSQL")
        report.add("PostgreSQL is back: all replicas use it again after", "", f"{took:.0f} s")
        took = await until(runs(hubs, 1), "the server of one replica runs again")
        report.add("PostgreSQL is back: the server with placement one runs again after another", "", f"{took:.0f} s")
        report.none("no way to PostgreSQL, and back: failed calls", failures(running.players))
        report.none("no way to PostgreSQL, and back: sessions lost", anew(running.players))

        running.mark()
        hubs.redis.cut()

        async def alone() -> bool:
            found = [(await each.replicas())["error"] or {} for each in hubs.replicas]
            return all(each.get("code") == "REPLICAS_UNKNOWN" for each in found)

        took = await until(alone, "every replica says that Redis is away")
        report.add("no way to Redis: all replicas say REPLICAS_UNKNOWN after", "", f"{took:.0f} s")
        await running.each_calls()
        hubs.redis.mend()
        took = await until(all_known(hubs), "all replicas know each other again")
        report.add("Redis is back: all replicas know each other after", "", f"{took:.0f} s")
        report.none("no way to Redis, and back: failed calls", failures(running.players))
        report.none("no way to Redis, and back: sessions lost", anew(running.players))


def runs(hubs: Hubs, count: int) -> Any:
    """Whether that many processes of the server with placement one run."""

    async def so() -> bool:
        return hubs.single.now == count

    return so


async def states(replicas: list[Replica]) -> list[ClusterState]:
    """What each says of the shared configuration."""
    return await asyncio.gather(*(each.cluster() for each in replicas))


def current(replicas: list[Replica]) -> Any:
    """Whether all have the same version, that of the database."""

    async def same() -> bool:
        found = await states(replicas)
        return {(each.state, each.epoch) for each in found} == {("current", found[0].epoch)}

    return same


async def skewed(hubs: Hubs, report: Report) -> None:
    """The clock of one of them jumps. The requests of each session come to all replicas in turn: most are handed on."""
    direct = hubs.direct
    rounds = [[*direct[number:], *direct[:number]] for number in range(len(direct))]
    odd = hubs.replicas[2]
    async with load(rounds, CLIENTS) as running:
        for ahead in (AHEAD, -AHEAD):
            running.mark()
            odd.set_clock(ahead)
            await running.each_calls(10)
            what = f"clock of one replica {ahead:+} s"
            report.none(f"{what}: failed calls, of which two thirds are handed on", failures(running.players))
            report.none(f"{what}: sessions lost", anew(running.players))
            await until(all_known(hubs), "all replicas know each other")
            report.add(f"{what}: all replicas know each other", "yes", "yes")
    async with load([[port] for port in hubs.ports], CLIENTS) as running:
        odd.set_clock(AHEAD)
        await running.each_calls()
        running.mark()
        await odd.drain()
        await odd.stop()
        await running.each_calls()
        what = f"clock of one replica {AHEAD:+} s, and it is stopped"
        report.none(f"{what}: failed calls over Streamable HTTP", failures(running.of("http", "modern")))
        report.none(f"{what}: sessions that the others do not take over", anew(running.of("http")))
        await odd.start()
        await until(all_known(hubs), "all replicas know each other")
        await running.each_calls()
        report.none(f"{what}, and is back: failed calls", failures(running.of("http", "modern")))
        odd.set_clock(0)


SCENES = {"kill": killed, "rolling": rolling, "partition": partitions, "clock": skewed}
