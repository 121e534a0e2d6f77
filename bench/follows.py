"""How many follow commands a second one write gateway takes, each on disk before it is answered.

Asked directly, without nginx; nobody follows the same account twice. Against plain XADD of the same
bytes from one process, by turns. First without the workers that carry follows out, so that it is
the gateway that is measured, then with them: they share the two cores.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from statistics import median
from typing import NamedTuple

import msgspec

from bench.bare_appends import Appended, Appends
from bench.client import Person
from bench.keys import give_keys
from bench.members import Members, make_members
from bench.moving_in import move_in
from bench.plots import bars, save
from bench.reading import issuer
from bench.rounds import Round, Server, cpu_of, one_round, rate_of, summary
from bench.standing import Standing, Stopwatch, child, output_of
from bench.table import Row, ratio
from events.graph import FollowRequested
from events.lag import lag_of
from events.log import Log
from runtime.connections import open_log
from workers.process import log_of

FOLLOWERS, FOLLOWEES = 5_000, 24
MOST_A_SECOND = 4_500  # that one gateway could take: so many pairs are ready for each round
OTHER_MEMBERS = 1_000_000
AT_ONCE = 64
WORKERS = ["graph", "fanout"]
# As one follow.requested lies in the log.
FIELDS = {
    "after": "1767225600000-0",
    "time": "1767225600000",
    "type": "follow.requested",
    "actor": "3523215360000000",
    "request": "0123456789abcdef0123456789abcdef",
    "payload": b"\x81\xabfollowee_id\xcf\x00\x0c\x84\x58\x80\x00\x00\x00",
}
DRAIN_SECONDS = 300
POLL_SECONDS = 0.2


class Compared(NamedTuple):
    """Rounds of the gateway and of both ways to append plainly, by turns."""

    ours: list[Round]
    plain: list[Appended]
    together: list[Appended]
    log_cpu_seconds: list[tuple[float, float]]
    """Of the log server: in our round, and in that of plain XADD over redis-py."""


async def measure(standing: Standing, *, quick: bool) -> list[Row]:
    rounds, seconds = (2, 1.5) if quick else (4, 3.0)
    settings = standing.behind.settings
    members = make_members(FOLLOWERS, seed=2, followed=0, posting=False, earlier=OTHER_MEMBERS)
    await move_in(settings, members)
    followees = [await standing.people.sign_up("followed") for _ in range(FOLLOWEES)]
    wishes = requests(standing, members, followees)
    async with open_log(settings) as client:
        log = log_of(settings, client)
        await give_keys(log, members.ids)
        async with resting(standing, log):
            await one_round(gateway_of(standing), take(wishes, 500), AT_ONCE, 0.2, status=202)
            alone = await compare(standing, wishes, rounds, seconds)
        beside = await compare(standing, wishes, 1 if quick else 2, seconds)
        await drained(log)
        await client.unlink(*streams())
    await asyncio.to_thread(plot, alone, beside, quick=quick)
    return [
        *rows_of("the gateway alone", alone, "≥ 0.25"),
        *rows_of("beside the workers that carry them out", beside, ""),
    ]


def gateway_of(standing: Standing) -> Server:
    return Server(str(standing.socket("gateway-write")), standing.pid("gateway-write"))


def requests(standing: Standing, members: Members, followees: Sequence[Person]) -> Iterator[bytes]:
    issue = issuer(standing.behind.settings)
    for followee in followees:
        for follower_id in members.ids:
            yield (
                f"PUT /v1/accounts/{followee.username}/follow HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Authorization: Bearer {issue(follower_id)}\r\nContent-Length: 0\r\n"
                "Accept: application/json\r\nUser-Agent: bench\r\n\r\n"
            ).encode()


def take(wishes: Iterator[bytes], count: int) -> list[bytes]:
    taken = list(itertools.islice(wishes, count))
    if len(taken) < count:
        message = "more was followed than there are pairs"
        raise LookupError(message)
    return taken


@asynccontextmanager
async def resting(standing: Standing, log: Log) -> AsyncIterator[None]:
    """Within, nobody carries follows out; after it, all are."""
    supervisor = standing.behind.supervisor
    await asyncio.to_thread(supervisor.stop, WORKERS)
    try:
        yield
    finally:
        for each in WORKERS:
            await asyncio.to_thread(supervisor.start, each)
    await drained(log)


async def drained(log: Log) -> None:
    """Until every wish has its verdict, in every row and window."""
    # Twice, for a verdict may come into a partition that was looked at before.
    every = itertools.product(range(2), WORKERS, range(log.partitions))
    async with asyncio.timeout(DRAIN_SECONDS):
        for _, role, partition in every:
            while True:
                lag = await lag_of(log, role, FollowRequested.TOPIC, partition)
                if not (lag.entries or lag.pending):
                    break
                await asyncio.sleep(POLL_SECONDS)


async def compare(
    standing: Standing, wishes: Iterator[bytes], rounds: int, seconds: float
) -> Compared:
    gateway, log_pid = gateway_of(standing), standing.pid("log")
    compared = Compared([], [], [], [])
    for _ in range(rounds):
        watch = Stopwatch(log_pid)
        most = int(MOST_A_SECOND * seconds)
        ours = await one_round(gateway, take(wishes, most), AT_ONCE, seconds, status=202)
        if ours.outcome.requests > most:
            message = "some were asked twice, which the gateway answers without an append"
            raise LookupError(message)
        ours_log = watch.cpu()[0] / ours.outcome.requests
        compared.ours.append(ours)
        watch = Stopwatch(log_pid)
        plain = await appends(standing, seconds, together=False)
        compared.plain.append(plain)
        compared.log_cpu_seconds.append((ours_log, watch.cpu()[0] / plain.count))
        compared.together.append(await appends(standing, seconds, together=True))
    return compared


async def appends(standing: Standing, seconds: float, *, together: bool) -> Appended:
    fields = [each for pair in FIELDS.items() for each in pair]
    encoded = [each if isinstance(each, bytes) else each.encode() for each in fields]
    url = standing.behind.settings.log_url
    order = Appends(url, streams(), encoded, AT_ONCE, seconds, together)
    async with child("bench.bare_appends", given=msgspec.json.encode(order)) as appending:
        said = await output_of(appending, seconds + 30)
    return msgspec.json.decode(said, type=Appended)


def streams() -> list[str]:
    return [f"bench:{{{partition}}}" for partition in range(8)]


def rate(appended: Sequence[Appended]) -> float:
    return median(each.count / each.seconds for each in appended)


def rows_of(where: str, compared: Compared, aim: str) -> list[Row]:
    ours, plain = rate_of(compared.ours), rate(compared.plain)
    log_ours, log_plain = (
        median(each[side] for each in compared.log_cpu_seconds) * 1e6 for side in (0, 1)
    )
    plain_cpu = median(each.cpu_seconds / each.count for each in compared.plain) * 1e6
    return [
        Row(
            f"follows: commands through one write gateway, {AT_ONCE} clients, {where}",
            summary(compared.ours),
            f"XADD from one process, as many callers: {plain:,.0f}/s over redis-py "
            f"({rate(compared.together):,.0f}/s sent together)",
            f"{ratio(ours, plain)} ({ratio(ours, rate(compared.together))})",
            aim,
        ),
        Row(
            f"follows: CPU a command, {where}",
            f"gateway {cpu_of(compared.ours):,.0f} µs, log {log_ours:,.0f} µs",
            f"XADD: client {plain_cpu:,.0f} µs, log {log_plain:,.0f} µs",
            ratio(cpu_of(compared.ours) + log_ours, plain_cpu + log_plain),
        ),
    ]


def plot(alone: Compared, beside: Compared, *, quick: bool) -> None:
    series = {
        "one write gateway": [rate_of(each.ours) for each in (alone, beside)],
        "XADD, redis-py": [rate(each.plain) for each in (alone, beside)],
        "XADD, sent together": [rate(each.together) for each in (alone, beside)],
    }
    labels = ["workers at rest", "workers at work"]
    panel = bars("durable commands a second", labels, series, log=True)
    save("feeds-follows", f"Follows, {AT_ONCE} clients", [panel], quick=quick)
