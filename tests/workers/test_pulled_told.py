"""Whoever asks why is told of pulled posts, and a site is held to what its outboxes must hold."""

import json

import pytest

from events.history import History
from stores.feed_keys import list_key, outbox_keys
from stores.posts import post_rows
from tests.workers.crew import PARTITIONS, opened_crew
from tests.workers.planting import verdict_on
from workers.looking import Ground


@pytest.fixture
async def crew(settings, clean_site):
    """Bob follows Ada, whose posts are all pulled, and has read his feed, which is empty."""
    async with opened_crew(settings.replace(pull_above=0)) as crew:
        await crew.sign_up("ada", "bob")
        await crew.follow("bob", "ada")
        await crew.work()
        await crew.open_feed("bob")
        yield crew


@pytest.fixture
async def ada(crew):
    """Her id; her outbox is built, as the first of her readers does."""
    ada = crew.ids["ada"]
    token = await crew.site.outboxes.begin_build(ada)
    await crew.site.outboxes.finish_build(ada, token, [], 0)
    return ada


@pytest.fixture
async def post(crew, ada):
    post = await crew.publish("ada")
    await crew.work()
    return post


@pytest.fixture
async def names(crew):
    return await crew.site.feeds.current_names()


@pytest.fixture
def why(ask):
    """The sentence, whether the post is shown, the exit status, the checks' verdicts."""

    async def why(post):
        asked = ("explain", "feed", "--viewer", "bob", "--post", post, "--json")
        status, lines, _ = await ask(*asked, partitions=PARTITIONS)
        *checks, last = [json.loads(line) for line in lines]
        verdicts = {each["check"]: each["verdict"] for each in checks}
        return last["conclusion"], last["shown"], status, verdicts

    return why


async def test_a_pulled_post_stands_in_the_outbox(why, post):
    sentence, shown, status, verdicts = await why(post)
    assert sentence == "Yes: it is pulled: it stands in the outbox of ada, and nothing hides it."
    assert (shown, status) == (True, 0)
    assert verdicts["fan-out"] == verdicts["outbox"] == "yes"
    assert verdicts["window"] == "?"


async def test_without_an_outbox_postgres_tells(why, post, names, ada, cache_client):
    outbox, said = outbox_keys(names, ada)[0], "so it is up to PostgreSQL, and it has the post."
    await cache_client.zrem(outbox, post)
    await cache_client.zadd(outbox, {"floor": 2**42})
    assert (await why(post))[0] == f"Yes: it is pulled, from below the outbox of ada, {said}"
    await cache_client.delete(outbox)
    sentence, shown, status, verdicts = await why(post)
    assert sentence == f"Yes: it is pulled; the outbox of ada is absent, {said}"
    assert (shown, status, verdicts["outbox"]) == (True, 0, "?")


async def test_what_an_outbox_lacks_is_a_fault(why, post, names, ada, cache_client):
    await cache_client.zrem(outbox_keys(names, ada)[0], post)
    sentence, shown, status, verdicts = await why(post)
    assert "it is not in the outbox of ada, though fanout is done with it" in sentence
    assert (shown, status, verdicts["outbox"]) == (False, 1, "no")


async def test_an_outbox_that_nobody_looks_into_is_a_fault(why, crew, post, ada, cache_client):
    """Neither by the roll, nor, with a roll, by the viewer's own list."""
    outboxes, bob = crew.site.outboxes, crew.ids["bob"]
    await outboxes.finish_roll(await outboxes.begin_roll(), [])
    sentence, shown, status, _ = await why(post)
    assert sentence == "No: it is pulled, and nobody looks in the outbox of ada."
    assert (shown, status) == (False, 1)

    await outboxes.push(ada, [])
    roll = await outboxes.roll(None)
    await outboxes.finish_list(bob, await outboxes.begin_list(bob, b""), roll, [])
    sentence, shown, status, _ = await why(post)
    assert sentence == "No: it is pulled, and bob does not look in ada's outbox."
    assert (shown, status) == (False, 1)

    await outboxes.forget_lists([bob])
    await outboxes.finish_list(bob, await outboxes.begin_list(bob, b""), roll, [ada])
    assert list_key(await crew.site.feeds.current_names(), bob)
    assert (await why(post))[1:3] == (True, 0)


async def test_an_event_tells_how_its_post_goes_out(crew, post, ask):
    """With what was seen of the followers."""
    version = (await post_rows(crew.site.database, [post]))[post].published_version
    status, lines, _ = await ask("explain", "event", version, partitions=PARTITIONS)
    assert status == 0
    told = [line for line in lines if line.startswith("  fan-out")]
    assert told == [
        "  fan-out     left in its author's outbox for 1 followers; of 1 of them 1 have a window"
    ]


@pytest.fixture
async def ground(crew, archive, database, cache_client):
    async with database.acquire() as connection:
        yield Ground(crew.log, History(crew.log, archive), connection, cache_client)


async def test_windows_may_lack_what_outboxes_hold(ground, crew, post):
    """And nothing else; what is in neither is found."""
    verdict = await verdict_on(ground)
    assert not verdict.findings
    assert verdict.rows["feed_windows"] == 1


async def test_what_an_outbox_lacks_has_drifted(ground, names, post, ada, cache_client):
    await cache_client.zrem(outbox_keys(names, ada)[0], post)
    verdict = await verdict_on(ground)
    assert dict(verdict.drifted) == {"feed_windows": 1}
    assert verdict.findings[0].key == (str(ada), str(post), str(ada))
    assert verdict.findings[0].live is None


async def test_a_pushed_post_in_no_window_has_drifted_all_the_same(
    ground, post, database, crew, ada
):
    """Only what was decided to be pulled is excused."""
    await database.execute("UPDATE posts SET pulled = false")
    verdict = await verdict_on(ground)
    assert dict(verdict.drifted) == {"feed_windows": 1}
    assert verdict.findings[0].key == (str(crew.ids["bob"]), str(post), str(ada))
