"""What the vacuum takes: what nobody can read any more, all of it, and nothing else."""

import pytest

from events.ids import EPOCH_MS, Position, make_id
from runtime.errors import Conflict
from stores.census import Kind, present_of, sampled
from stores.epochs import GENERATION
from stores.feed_keys import both_keys, names_of
from stores.feeds import Feeds
from stores.vacuum import Vacuum

NOW = EPOCH_MS + 10_000_000_000
VIEWERS = [make_id(Position(NOW, n), 70 + n) for n in range(3)]
POSTS = [(NOW + n, make_id(Position(NOW + n, 0), 5)) for n in range(8)]


@pytest.fixture
async def feeds(cache_client, log_client):
    """Two windows of the present names, the first of which hides somebody."""
    await log_client.set(GENERATION, 3)
    made = Feeds(cache_client, log_client, cap=20)
    await made.refresh()
    for viewer in VIEWERS[:2]:
        token = await made.begin_build(viewer)
        assert await made.finish_build(viewer, token, POSTS, truncated=False)
    await made.hide([(VIEWERS[0], 9)])
    return made


@pytest.fixture
def sweep(cache_client, log_client):
    """A whole walk."""

    async def swept():
        vacuum = Vacuum(cache_client, log_client, await present_of(cache_client, log_client))
        while await vacuum.step():
            pass
        return vacuum

    return swept


async def everything(cache_client):
    return {key: await cache_client.dump(key) async for key in cache_client.scan_iter()}


async def test_what_is_read_stays_whatever_it_is(feeds, sweep, cache_client):
    """Windows, hidden sets, cards, half-built windows, a rebuild's, and all that is not ours."""
    epoch = feeds._names.epoch
    assert await feeds.begin_build(VIEWERS[2])
    for key in (
        f"post:{epoch}:17",
        f"author:{epoch}:18",
        "names:{ab12}:cd",
        "uploads:{17}",
        "twin:feed:00000000.0:{b001}:17",
        "feed:00000000.0:{b001}:17:more",
        f"post:{epoch}:x",
        "feed:0.0:{b001}:17",
        f"outbox:{epoch}.3:{{b001}}:17",
        f"followed:{epoch}.3:{{b001}}:17",
        f"roll:{epoch}.3:{{b000}}:",
        f"feed:{epoch}.4:{{b001}}:17",
        f"hidden:{epoch}.4:{{b001}}:17",
    ):
        await cache_client.set(key, "x")
    before = await everything(cache_client)

    assert (await sweep()).removed.total() == 0
    assert await everything(cache_client) == before


async def test_names_of_earlier_runs_and_generations_go(feeds, sweep, cache_client):
    """In thousands, several pages of them; once more finds nothing."""
    kept = await everything(cache_client)
    epoch = feeds._names.epoch
    dead = [f"{noun}:{e}:17" for noun in ("post", "author") for e in ("00000000", "ffffffff")]
    dead += [
        f"{noun}:{names}:{{b001}}:{viewer}"
        for noun in ("feed", "hidden", "outbox", "followed")
        for names in (f"{epoch}.2", f"{epoch}.0", "00000000.3", "00000000.7")
        for viewer in range(200)
    ]
    dead.append(f"roll:{epoch}.2:{{b000}}:")
    await cache_client.mset(dict.fromkeys(dead, "x"))

    vacuum = await sweep()
    assert +vacuum.removed == {Kind.UNREAD: len(dead)}
    assert await everything(cache_client) == kept
    assert (await sweep()).removed.total() == 0


async def test_hidden_authors_go_with_the_last_use_of_them(feeds, sweep, cache_client):
    """Their window evicted or built anew, or of another type: then nothing reads the set."""
    names = feeds._names
    window, hidden = both_keys(names, VIEWERS[0])
    needless = [both_keys(names, each)[1] for each in VIEWERS[1:]]
    for key in needless:
        await cache_client.sadd(key, 5)

    assert +(await sweep()).removed == {Kind.HIDDEN: 2}
    assert (await feeds.skeleton(VIEWERS[0], None, 9)).hidden == {9}
    assert not await cache_client.exists(*needless)

    await cache_client.set(window, "x")
    assert +(await sweep()).removed == {Kind.HIDDEN: 1}
    assert not await cache_client.exists(hidden)
    assert await feeds.skeleton(VIEWERS[0], None, 9) is None


async def test_no_name_that_became_present_meanwhile_is_taken(
    feeds, sweep, cache_client, log_client
):
    """A generation raised under a walk breaks it off where it would free anything."""
    vacuum = Vacuum(cache_client, log_client, await present_of(cache_client, log_client))
    await log_client.set(GENERATION, 4)
    await cache_client.set("post:00000000:1", "x")

    with pytest.raises(Conflict):
        await vacuum.step()
    assert await cache_client.exists("post:00000000:1")
    assert +(await sweep()).removed == {Kind.UNREAD: 4}


async def test_what_there_is_is_counted_and_weighed(feeds, sweep, cache_client, log_client):
    """Exactly by a walk, by a share of the keys in a sample; entries without floor or mark."""
    old = names_of("00000000", 0)
    await cache_client.set(both_keys(old, VIEWERS[0])[0], "x" * 1_000)
    census = (await sweep()).census

    assert census.keys == {Kind.WINDOWS: 2, Kind.HIDDEN: 1, Kind.UNREAD: 1}
    assert census.mean_entries == pytest.approx(8.5)  # the mark of the hidden counts as half one
    assert census.unpacked_ratio == 0
    assert 1_000 < census.mean_bytes(Kind.UNREAD) < 1_500
    size = sum(
        [await cache_client.memory_usage(both_keys(feeds._names, v)[0]) for v in VIEWERS[:2]]
    )
    assert census.mean_bytes(Kind.WINDOWS) == size / 2
    assert census.entry_bytes == size / 17

    present = await present_of(cache_client, log_client)
    assert (await sampled(cache_client, present, 1_000)).keys == {Kind.WINDOWS: 2, Kind.HIDDEN: 1}


async def test_windows_that_are_not_packed_are_noticed(feeds, sweep, cache_client):
    """As on a server whose limit is too low."""
    await cache_client.config_set("zset-max-listpack-entries", 4)
    try:
        token = await feeds.begin_build(VIEWERS[2])
        await feeds.finish_build(VIEWERS[2], token, POSTS, truncated=False)
    finally:
        await cache_client.config_set("zset-max-listpack-entries", 512)

    assert (await sweep()).census.unpacked_ratio == pytest.approx(1 / 3)
