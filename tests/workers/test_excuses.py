"""What is not applied yet, or never will be, is said to be so; it is no drift."""

import pytest

from events import unapplied
from events.accounts import AccountErased, ProfileEdited
from events.dead_letters import Drop, Letter, Undelivered, bury, drop, retry
from events.graph import Unfollowed
from events.log import stream_key
from events.posts import PostPublished
from tests.workers.folding import FOLDING, all_applied
from tests.workers.histories import deliver, happened, new_site, open_windows
from tests.workers.one_history import ADA, BOB, CYD, FIRST, HISTORY
from tests.workers.planting import verdict_on
from tests.workers.recording import record

EDIT = happened(ProfileEdited(bio="Later"), CYD.actor, 60)
LEFT = happened(Unfollowed(followee_id=ADA.actor), BOB.actor, 61)
NOTE = Drop(who="op", why="not wanted", dropped_ms=1)


@pytest.fixture
async def site(database, log_client, cache_client):
    site = new_site(database, log_client, cache_client)
    await open_windows(site, [ADA.actor, BOB.actor, CYD.actor])
    return site


@pytest.fixture
def unfold(site):
    """A site that folded its history, but not this event, of which these roles know nothing yet."""

    async def unfold(event, *roles):
        await record(site.log, [*HISTORY, event])
        for each in HISTORY:
            assert not await deliver(site, each, handlers=FOLDING)
        await all_applied(site.log)
        stream = stream_key(event.topic, event.partition)
        for role in roles:
            await site.log.client.xgroup_setid(stream, role, f"{event.position.ms - 1}-0")

    return unfold


async def bury_for(log, role, event):
    stream = stream_key(event.topic, event.partition)
    [[_, [(_, entry)]]] = await log.client.xreadgroup(role, "one", {stream: ">"})
    what = Undelivered(role, event.topic, event.partition, event.position)
    letter = Letter(reason="x: y", traceback="T", attempts=8, buried_ms=1, entry=entry)
    assert await bury(log.client, what, letter, consumer="one")
    return what


async def test_what_was_not_given_yet_explains_its_rows(unfold, ground):
    """An edit that the role `accounts` has not seen: its row differs, and that is why."""
    await unfold(EDIT, "accounts")
    verdict = await verdict_on(ground)

    assert not verdict.drifted
    [found] = verdict.findings
    assert (found.table, found.key, found.columns) == (
        "accounts",
        (str(CYD.actor),),
        ("bio", "bio_version"),
    )
    assert (found.live["bio"], found.due["bio"]) == ("After", "Later")
    assert found.decided_by == (EDIT.address,)
    assert found.explained == f"{EDIT.address} waits for accounts"


async def test_what_is_held_by_a_worker_explains_its_rows(unfold, ground, log_client):
    """Given to a worker that has not finished it: tables and windows. Counters count the rows."""
    await unfold(LEFT, "graph", "fanout")
    stream = stream_key("graph", LEFT.partition)
    for role in ("graph", "fanout"):
        assert await log_client.xreadgroup(role, "one", {stream: ">"})
    verdict = await verdict_on(ground)

    assert not verdict.drifted
    assert {each.table for each in verdict.findings} == {
        "followers",
        "following",
        "feed_windows",
    }


async def test_a_dead_letter_explains_its_rows_as_long_as_it_stands(unfold, ground, log_client):
    """Buried, dropped, and after a retry waiting again; each is said."""
    await unfold(EDIT, "accounts")
    what = await bury_for(ground.log, "accounts", EDIT)

    [found] = (await verdict_on(ground)).findings
    assert found.explained == f"{EDIT.address} is a dead letter of accounts"
    assert await drop(log_client, what, NOTE) == "dropped"
    [found] = (await verdict_on(ground)).findings
    assert found.explained == f"{EDIT.address} was dropped for accounts"
    assert await retry(log_client, what) == "retried"
    [found] = (await verdict_on(ground)).findings
    assert found.explained == f"{EDIT.address} waits for accounts"


async def test_an_erasure_that_is_not_done_explains_all_that_is_the_accounts(unfold, ground):
    """Its rows, its posts, what it follows, and its followees' counters; nobody else's words."""
    erased = happened(AccountErased(), ADA.actor, 60)
    await unfold(erased, "accounts", "posts", "graph", "fanout")
    verdict = await verdict_on(ground)

    assert not verdict.drifted
    assert {each.table for each in verdict.findings} >= {
        "accounts",
        "posts",
        "photo_references",
        "followers",
        "following",
    }
    await ground.connection.execute(
        "UPDATE heliograph.accounts SET bio = 'forged' WHERE id = $1", CYD.actor
    )
    assert dict((await verdict_on(ground)).drifted) == {"accounts": 1}


async def test_a_letter_explains_nothing_that_it_does_not_touch(unfold, ground, site):
    """Somebody else's wrong row is drift, though a letter stands; so is its role's in another."""
    await unfold(EDIT, "accounts")
    await bury_for(ground.log, "accounts", EDIT)
    await site.database.execute("UPDATE accounts SET bio = 'forged' WHERE id = $1", ADA.actor)
    await site.database.execute("UPDATE posts SET caption = 'forged' WHERE id = $1", FIRST.id)
    verdict = await verdict_on(ground)

    assert dict(verdict.drifted) == {"accounts": 1, "posts": 1}
    assert {each.key for each in verdict.findings if each.explained} == {(str(CYD.actor),)}


async def test_an_event_that_is_in_no_row_of_the_model_is_not_missed(unfold, ground):
    """A publication that waits for `posts` and `fanout`: counter, references, row and window."""
    again = happened(PostPublished(post_id=FIRST.id, photos=()), ADA.actor, 62)
    await unfold(again, "posts", "fanout")
    verdict = await verdict_on(ground)

    assert verdict.findings
    assert not verdict.drifted


async def test_whoever_is_far_behind_is_behind_with_all_of_it(unfold, ground, monkeypatch):
    """Then every row that the role writes may differ, and it would be idle to name events."""
    monkeypatch.setattr(unapplied, "MOST", 1)
    await unfold(EDIT, "accounts")
    verdict = await verdict_on(ground)

    assert not verdict.drifted
    [found] = verdict.findings
    assert found.explained == f"role accounts is far behind in accounts.{EDIT.partition}"
