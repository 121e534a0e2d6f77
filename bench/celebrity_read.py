"""What it costs to follow celebrities, whose posts are pulled when feeds are read.

Two groups of members on one site: those of one follow thirty accounts whose posts were pushed to
them, those of the other twenty celebrities, whose posts are in outboxes, and ten others. Everybody
has a feed of their own; the same pages are asked for by Zipf, from one read gateway, by turns.
"""

import asyncio
import random

from bench.answered import check, warm
from bench.members import Members, choose, make_members, zipf
from bench.moving_in import move_in, open_windows
from bench.plots import bars, save
from bench.reading import PAGE, draw, expected_of, requests_of
from bench.rounds import Round, Server, cpu_of, latency, one_round, rate_of, rows_of, times, turns
from bench.standing import standing
from bench.table import Row
from runtime.connections import open_cache, open_database, open_log
from runtime.settings import Settings
from stores.feeds import Feeds
from stores.outboxes import Outboxes

MEMBERS = 2_000
CELEBRITIES, FOLLOWED_CELEBRITIES, FOLLOWED_OTHERS = 60, 20, 10
AT_ONCE = 16


async def measure(*, quick: bool) -> list[Row]:
    async with standing() as site:
        settings = site.behind.settings
        plain = make_members(MEMBERS)
        fans = with_celebrities(make_members(MEMBERS, seed=2, earlier=MEMBERS))
        for each in (plain, fans):
            await move_in(settings, each)
        await have_pulled(settings, fans.ids[:CELEBRITIES])
        await open_windows(settings, plain, range(MEMBERS))
        await open_windows(settings, pushed_alone(fans), range(MEMBERS))
        gateway = Server(str(site.socket("gateway-read")), site.pid("gateway-read"))
        asked = [draw(settings, each, range(MEMBERS), 6_000) for each in (fans, plain)]
        for each in asked:
            await check(site.socket("gateway-read"), expected_of(each))
            await warm(site.socket("gateway-read"), requests_of(each))
        turn = [turns(requests_of(each)) for each in asked]
        rounds, seconds = (3, 2.0) if quick else (6, 4.0)
        measured: tuple[list[Round], list[Round]] = ([], [])
        for _ in range(rounds):
            for requests, into in zip(turn, measured, strict=True):
                into.append(await one_round(gateway, next(requests), AT_ONCE, seconds))
    ours, reference = measured
    await asyncio.to_thread(plot, ours, reference, quick=quick)
    what = (
        f"celebrity_read: {PAGE} posts, following {FOLLOWED_CELEBRITIES} celebrities and "
        f"{FOLLOWED_OTHERS} others"
    )
    rows = rows_of(what, ours, reference, AT_ONCE, reference="following 30, all pushed")
    p50, p99 = (times(ours, reference, percent) for percent in (50, 99))
    ratio = f"p50 {p50:.2f} (p99 {p99:.2f})"
    return [rows[0]._replace(ratio=ratio, aim="≤ 1.2 at p50"), *rows[1:]]


def with_celebrities(members: Members) -> Members:
    """The first of them are followed by everybody else, some of them by each."""
    dice = random.Random(9)
    others = zipf(len(members.ids) - CELEBRITIES)
    followed = []
    for rank in range(len(members.ids)):
        stars = [each for each in range(CELEBRITIES) if each != rank]
        chosen = [each + CELEBRITIES for each in choose(dice, others, -1, FOLLOWED_OTHERS)]
        followed.append(
            dice.sample(stars, FOLLOWED_CELEBRITIES) + [each for each in chosen if each != rank]
        )
    return members._replace(followed=followed)


def pushed_alone(members: Members) -> Members:
    """What windows hold of them: nothing of a celebrity's."""
    posts = [[] if rank < CELEBRITIES else each for rank, each in enumerate(members.posts)]
    return members._replace(posts=posts)


async def have_pulled(settings: Settings, author_ids: list[int]) -> None:
    """As the planner leaves rows, and the roll, of posts that it did not push."""
    pool = await open_database(settings)
    async with pool, open_cache(settings) as cache, open_log(settings) as log:
        await pool.execute("UPDATE posts SET pulled = true WHERE author_id = ANY ($1)", author_ids)
        await pool.execute("ANALYZE posts")
        outboxes = Outboxes(Feeds(cache, log))
        for each in author_ids:
            await outboxes.push(each, [])


def plot(ours: list[Round], reference: list[Round], *, quick: bool) -> None:
    labels = ["twenty celebrities, ten others", "thirty, all pushed"]
    both = (ours, reference)
    save(
        "feeds-celebrities",
        f"Reading a feed of {PAGE} posts, {AT_ONCE} connections, one gateway process",
        [
            bars("pages a second", labels, {"rate": [rate_of(each) for each in both]}),
            bars(
                "milliseconds",
                labels,
                {f"p{p}": [latency(each, p) * 1e3 for each in both] for p in (50, 99)},
            ),
            bars("CPU of the process a page, µs", labels, {"µs": [cpu_of(each) for each in both]}),
        ],
        quick=quick,
    )
