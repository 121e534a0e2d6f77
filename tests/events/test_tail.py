"""`python -m events tail`: what was recorded, in order, and what comes, one a line."""

import asyncio
import contextlib
import json
import re

import pytest

from events.accounts import PasswordChanged, ProfileEdited
from events.following import follow
from events.graph import FollowRequested
from events.ids import START, shard_of
from events.log import stream_key
from events.posts import PostDeleted


@pytest.fixture
def tail(ask):
    """What `tail --no-follow --json` tells, as objects."""

    async def tail(*arguments, **changes):
        status, lines, aside = await ask("tail", "--no-follow", "--json", *arguments, **changes)
        assert status == 0, aside
        return [json.loads(line) for line in lines]

    return tail


@pytest.fixture
async def happened(log, ada, register):
    """Ada and Bob signed up; then four more things in three topics. The last four ids."""
    bob = await register("bob")
    ids = []
    for event, actor in (
        (ProfileEdited(bio="I am Ada"), ada),
        (FollowRequested(followee_id=ada), bob),
        (PostDeleted(post_id=7), bob),
        (PasswordChanged(password_hash="$argon2id$words"), ada),
    ):
        await asyncio.sleep(0.002)  # partitions choose positions apart; these have an order
        ids.append((await log.append(event, actor=actor)).id)
    return ids


async def test_the_past_is_told_in_order_over_all_topics(tail, happened):
    """By position, whatever partition and topic; `--last` takes the newest."""
    told = await tail("--since", "1h")
    types = ["account.registered"] * 2 + [
        "profile.edited",
        "follow.requested",
        "post.deleted",
        "password.changed",
    ]
    assert [each["type"] for each in told] == types
    assert [int(each["event"]) for each in told[2:]] == happened
    assert [each["type"] for each in await tail("--last", 2)] == types[-2:]
    assert await tail("--last", 0) == []


async def test_a_line_says_who_did_what_where(ask, happened, ada):
    """Sealed fields are opened, the actor has a name, and no hash of a password is shown."""
    status, lines, _ = await ask("tail", "--no-follow")
    assert status == 0
    [edited] = [line for line in lines if "profile.edited" in line]
    assert f"ada ({ada})" in edited
    assert edited.endswith('{"bio":"I am Ada"}')
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  profile", edited)
    assert "argon2id" not in "".join(lines)


async def test_filters_choose(tail, happened, ada):
    """By topic, type and account, who did it or whom it names; all of them must hold."""

    async def types(*filters):
        return [each["type"] for each in await tail("--since", "1h", *filters)]

    assert await types("--topic", "posts", "--topic", "graph") == [
        "follow.requested",
        "post.deleted",
    ]
    assert await types("--type", "PostDeleted", "--type", "password.changed") == [
        "post.deleted",
        "password.changed",
    ]
    assert await types("--account", "Ada") == [
        "account.registered",
        "profile.edited",
        "follow.requested",
        "password.changed",
    ]
    assert await types("--account", ada, "--topic", "graph") == ["follow.requested"]
    assert await types("--account", "@bob", "--type", "post.deleted") == ["post.deleted"]
    assert len(await tail("--last", 1, "--type", "profile.edited")) == 1


async def test_what_cannot_be_read_is_shown_all_the_same(tail, log_client, ask):
    """Of a newer version, of broken bytes, of a destroyed key: with what is wrong."""
    stream = stream_key("posts", 3)
    await log_client.xadd(stream, {"type": "mood.changed", "actor": "5"}, id="1700000000000-0")
    broken = {"type": "post.deleted", "actor": "5", "payload": b"\xc1\xff"}
    await log_client.xadd(stream, broken, id="1700000000001-0")

    newer, broken = await tail()
    assert newer["problem"].startswith("unknown-type")
    assert broken["problem"].startswith("undecodable")
    assert broken["payload"] == {"(undecodable)": "c1ff"}
    _, _, aside = await ask("tail", "--no-follow", "--type", "post.deletd")
    assert "do you mean 'post.deleted'?" in aside


async def test_what_has_left_the_streams_is_told_to_have(ask, delete, log_client, ada):
    """Who asks since when gets no silent gap."""
    await delete(1, 2, 3)
    _, lines, aside = await ask("tail", "--no-follow", "--since", "1h")
    assert (len(lines), aside) == (4, "")
    await log_client.xtrim(stream_key("posts", shard_of(ada) % 8), maxlen=1, approximate=False)
    _, lines, aside = await ask("tail", "--no-follow", "--since", "1h")
    assert len(lines) == 2
    assert "have gone to the archive" in aside


async def test_words_of_a_destroyed_key_are_told_to_be_gone(tail, happened, log_client, ada):
    await log_client.delete(f"keys:{{{shard_of(ada) % 8}}}")
    [edited] = await tail("--type", "profile.edited")
    assert (edited["sealed"], edited["payload"]) == ("its key is destroyed", {})


async def test_nobody_of_that_name_is_a_sentence(ask):
    status, lines, aside = await ask("tail", "--account", "nobody", "--no-follow")
    assert (status, lines, aside) == (1, [], "Nobody here is called 'nobody'.\n")


async def test_following_tells_what_comes_and_goes_on_after_an_outage(
    log, blocking, ada, delete, monkeypatch
):
    """Every event once, in a partition's order, across an engine that is away for a while."""
    read, outages = blocking.xread, [ConnectionResetError("gone")]

    async def xread(*arguments, **options):
        if outages:
            raise outages.pop()
        return await read(*arguments, **options)

    await delete(1, 2, 3)
    monkeypatch.setattr(blocking, "xread", xread)
    marks = {("posts", partition): START for partition in range(8)}
    heard, said = [], []
    async with (
        asyncio.timeout(20),
        contextlib.aclosing(follow(log, blocking, ["posts"], marks)) as told,
    ):
        async for each in told:
            if isinstance(each, str):
                said.append(each)
            else:
                heard.append(each.payload["post_id"])
            if (len(heard), len(said)) == (3, 2):
                await delete(9)
            if len(heard) == 4:
                break

    assert heard == [1, 2, 3, 9]
    assert ["does not answer" in each for each in said] == [True, False]
