"""What operators are told by `digest`, `verify` and `until`, and by which status."""

import json

import pytest

from events.accounts import AccountErased, AccountRegistered, ProfileEdited
from events.arguments import rfc3339
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.ids import created_ms
from events.log import Log
from events.posts import PostDeleted, PostPublished, PostSubmitted
from stores.feeds import Feeds
from stores.verdicts import last_verdict
from tests.workers.folding import FOLDING, all_applied
from tests.workers.histories import deliver, open_windows, rendered, staged
from workers import verify_commands
from workers.site import Site

TABLES = ("accounts", "posts", "photo_references", "following", "followers")
ABOUT = {"display_name": "Ada", "password_hash": "hash of Ada's"}

pytestmark = pytest.mark.usefixtures("archive")  # which another log may have left


@pytest.fixture
async def site(settings, database, log_client, cache_client):
    secret = settings.secret.reveal().encode()
    log = Log(log_client, partitions=settings.partitions, secret=secret)
    return Site(log=log, database=database, feeds=Feeds(cache_client, log_client))


@pytest.fixture
def happen(site):
    """Append an event and have every handler fold it; its delivery."""

    async def happen(event, actor=0):
        if isinstance(event, AccountRegistered):
            appended = await site.log.register(event)
        else:
            appended = await site.log.append(event, actor=actor)
        delivery = await site.log.event_at(appended.address)
        assert not await deliver(site, delivery, handlers=FOLDING)
        await all_applied(site.log)
        return delivery

    return happen


@pytest.fixture
async def ada(happen):
    return (await happen(AccountRegistered(username="ada", **ABOUT))).id


@pytest.fixture
async def bob(happen, site):
    bob = (await happen(AccountRegistered(username="bob"))).id
    await open_windows(site, [bob])
    return bob


@pytest.fixture
async def told(happen, ada, bob):
    """Bob follows Ada, who published a photo."""
    wish = await happen(FollowRequested(followee_id=ada), bob)
    await happen(FollowAccepted(follower_id=bob, wish_version=wish.id), ada)
    post = await happen(PostSubmitted(photos=(staged(),), caption="Sea"), ada)
    await happen(PostPublished(post_id=post.id, photos=(rendered(),)), ada)
    return post.id


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(verify_commands, "LOOKS_APART_SECONDS", 0)


def objects(lines):
    return [json.loads(line) for line in lines]


async def test_a_digest_tells_every_projection_and_changes_with_a_row(told, ask, database):
    """Equal as long as rows are; the windows are among it."""
    status, lines, _ = await ask("digest", "--json")
    assert status == 0
    rows = objects(lines)
    counts = {each["projection"]: each["rows"] for each in rows}
    assert counts == dict.fromkeys(TABLES, 1) | {"accounts": 2, "feed_windows": 1}
    assert objects((await ask("digest", "--json"))[1]) == rows
    await database.execute("UPDATE posts SET caption = 'Lake'")
    changed = objects((await ask("digest", "--json"))[1])
    assert [a["projection"] for a, b in zip(rows, changed, strict=True) if a != b] == ["posts"]


async def test_verify_says_that_all_is_well_and_keeps_that(told, ask, log_client):
    status, lines, aside = await ask("verify", "--json")
    assert status == 0
    assert {each["projection"]: each["drifted"] for each in objects(lines)} == dict.fromkeys(
        (*TABLES, "feed_windows"), 0
    )
    assert "nothing has drifted" in aside
    assert (await last_verdict(log_client)).events == 6


async def test_verify_shows_drift_side_by_side_with_what_decided(told, ask, database, log_client):
    """Table, row, register, both values and the event; status 1; secrets stay where they are."""
    await database.execute("UPDATE posts SET caption = 'Lake'")
    await database.execute("UPDATE accounts SET password_hash = 'forged' WHERE username = 'ada'")
    status, lines, aside = await ask("verify", "--json")

    assert status == 1
    assert "2 have drifted" in aside
    shown = {(each["projection"], each["register"]): each for each in objects(lines)[6:]}
    found = shown["posts", "caption"]
    assert (found["row"], found["live"], found["due"]) == (str(told), "Lake", "Sea")
    assert found["decided by"].startswith("posts.")
    assert found["why"] == "drift"
    assert ("accounts", "password_hash") in shown
    assert "forged" not in "".join(lines)
    assert (await last_verdict(log_client)).drifted == {"posts": 1, "accounts": 1}


async def test_a_part_or_a_sample_is_verified_and_not_kept(told, ask, database, log_client):
    await database.execute("UPDATE posts SET caption = 'Lake'")
    status, lines, _ = await ask("verify", "--json", "--tables", "accounts,following")
    assert status == 0
    assert [each["projection"] for each in objects(lines)] == ["accounts", "following"]
    status, lines, _ = await ask("verify", "--json", "--sample", "1")
    assert [each["projection"] for each in objects(lines)][:5] == list(TABLES)
    assert await last_verdict(log_client) is None


async def test_a_shadow_is_held_against_the_live_site(told, ask, database):
    """Another schema of equal rows is equal; one that lacks a row is not, and none is no shadow."""
    await database.execute("CREATE SCHEMA heliograph_next")
    try:
        for table in TABLES:
            await database.execute(f"CREATE TABLE heliograph_next.{table} AS TABLE {table}")
        assert (await ask("verify", "--against", "next"))[0] == 0
        assert (await ask("digest", "--schema", "next"))[0] == 0
        await database.execute("DELETE FROM heliograph_next.followers")
        status, lines, _ = await ask("verify", "--json", "--against", "next")
        assert status == 1
        assert objects(lines)[-1]["live"] == "a row"
    finally:
        await database.execute("DROP SCHEMA heliograph_next CASCADE")
    status, _, aside = await ask("verify", "--against", "next")
    assert (status, aside) == (1, "There is no schema heliograph_next.\n")


def registers(lines):
    return {each["register"]: each for each in objects(lines)}


async def test_an_account_as_it_was(happen, told, ada, bob, ask):
    """Before and after an edit and an unfollow; each register names its event."""
    edit = await happen(ProfileEdited(bio="Later"), ada)
    before = created_ms(edit.id) - 1
    await happen(Unfollowed(followee_id=ada), bob)
    then = registers((await ask("until", "--account", "ada", "--at", rfc3339(before), "--json"))[1])
    now = registers((await ask("until", "--account", ada, "--at", "0s", "--json"))[1])

    assert (then["bio"]["value"], now["bio"]["value"]) == ("", "Later")
    assert (then["followers"]["value"], now["followers"]["value"]) == (1, 0)
    assert (then["posts"]["value"], then["display_name"]["value"]) == (1, "Ada")
    assert (now["bio"]["set by"], now["bio"]["at"]) == (edit.address, rfc3339(created_ms(edit.id)))
    assert "hash of" not in str(then)


async def test_an_erased_account_says_only_that_it_was(happen, told, ada, bob, ask):
    """What it was before has no words any more either, for its key is gone; numbers stay."""
    erasure = await happen(AccountErased(), ada)
    before = rfc3339(created_ms(erasure.id) - 1)
    then = registers((await ask("until", "--account", "ada", "--at", before, "--json"))[1])
    now = registers((await ask("until", "--account", "ada", "--at", "0s", "--json"))[1])
    post = registers((await ask("until", "--post", told, "--at", "0s", "--json"))[1])

    assert (then["display_name"]["value"], then["followers"]["value"]) == ("", 1)
    assert (now["erased"]["value"], now["followers"]["value"]) == (True, 0)
    assert now["bio"]["set by"] == erasure.address
    assert (post["state"]["value"], post["caption"]["value"]) == ("erased", "")


async def test_a_post_as_it_was(happen, told, ada, ask):
    """Published until a moment ago, deleted now."""
    deletion = await happen(PostDeleted(post_id=told), ada)
    before = created_ms(deletion.id) - 1
    then = registers((await ask("until", "--post", told, "--at", rfc3339(before), "--json"))[1])
    now = registers((await ask("until", "--post", told, "--at", "0s", "--json"))[1])

    assert (then["state"]["value"], now["state"]["value"]) == ("published", "deleted")
    assert now["state"]["set by"] == deletion.address
    assert then["caption"]["value"] == "Sea"
    assert then["photos"]["value"] == f"{'a' * 64} 640x480"


@pytest.mark.parametrize(
    ("arguments", "ends_with", "said"),
    [
        (("--account", "ada", "--at", "2200-01-01"), 2, "is in the future"),
        (("--account", "ada", "--at", "9d"), 1, "was not there yet"),
        (("--account", "nobody", "--at", "0s"), 1, "Nobody here is called"),
        (("--post", "12", "--at", "0s"), 1, "No post was submitted"),
        (("--post", "twelve", "--at", "0s"), 2, "is no post's id"),
    ],
)
async def test_a_moment_or_a_thing_that_is_not_there_is_said(arguments, ends_with, said, told, ask):
    status, lines, aside = await ask("until", *arguments)
    assert (status, lines) == (ends_with, [])
    assert said in aside
