"""`python -m events show` and `explain event`: what led where, and who is behind."""

import json

import pytest

from events.accounts import ProfileEdited
from events.dead_letters import Drop, Letter, Undelivered, bury, drop
from events.ids import Position, make_id, shard_of
from events.log import stream_key
from stores.archive import Archive
from tests.workers.crew import PARTITIONS, opened_crew


@pytest.fixture
async def crew(settings, clean_site):
    async with opened_crew(settings) as crew:
        await crew.sign_up("ada", "bob")
        yield crew


@pytest.fixture
def told(ask):
    """What a command tells of one event, as an object, and the exit status."""

    async def told(*arguments, **changes):
        changes = {"partitions": PARTITIONS} | changes
        status, lines, aside = await ask(*arguments, "--json", **changes)
        assert len(lines) == 1, aside
        return json.loads(lines[0]), status

    return told


def states(found):
    return {each["role"]: each["state"] for each in found["roles"]}


async def archived(crew, archive, topic, partition, *, trim):
    """Put a stream's entries into a segment, and perhaps drop them."""
    stream = stream_key(topic, partition)
    entries = await crew.log.client.xrange(stream)
    manifest = await archive.add(topic, partition, entries)
    if trim:
        await crew.log.client.xtrim(stream, maxlen=0, approximate=False)
    return manifest


async def test_a_command_shows_what_it_led_to_and_each_effect_what_led_to_it(crew, told):
    """A wish, its acceptance in another partition or the same; by id, address and position."""
    wish = await crew.follow("bob", "ada")
    await crew.work()
    shown, status = await told("show", wish.id)
    [accepted] = shown["caused"]

    assert (status, shown["type"], shown["username"]) == (0, "follow.requested", "bob")
    assert shown["payload"] == {"followee_id": str(crew.ids["ada"])}
    assert (accepted["type"], accepted["actor"]) == ("follow.accepted", str(crew.ids["ada"]))
    assert (accepted["cause"], accepted["caused"]) == (str(wish.address), [])
    back, _ = await told("show", accepted["address"])
    assert back["led_here"] == [
        {"address": str(wish.address), "type": "follow.requested", "event": str(wish.id)}
    ]
    assert (await told("show", str(wish.position)))[0] == shown


async def test_effects_are_found_without_records(crew, told, log_client):
    """A day later the records are gone, and the streams still tell; as far as is read."""
    await crew.follow("bob", "ada")
    post = await crew.publish("ada")
    await log_client.delete(*[key async for key in log_client.scan_iter("idem:*")])
    shown, _ = await told("show", post)
    assert [each["type"] for each in shown["caused"]] == ["post.published"]
    assert shown["unread"] == []
    shown, _ = await told("show", post, "--most", 1)
    assert shown["caused"] == []
    assert f"posts.{shard_of(post) % PARTITIONS}" in shown["unread"]


async def test_the_page_of_a_person_has_all_of_it(crew, ask):
    """The envelope, what it says, and the tree; nothing that speaks to a terminal."""
    post = await crew.publish("ada")
    status, lines, _ = await ask("show", post, partitions=PARTITIONS)
    page = "\n".join(lines)

    assert status == 0
    assert lines[0].startswith("posts.")
    assert '"caption": "The sea"' in page
    assert f"actor       ada ({crew.ids['ada']})" in page
    assert "  caused\n    posts." in page
    assert "post.published" in page


async def test_what_was_trimmed_is_taken_from_the_archive(crew, told, archive):
    """The event, what led to it and what it led to; and names of people."""
    post = await crew.publish("ada")
    partition = shard_of(post) % PARTITIONS
    manifest = await archived(crew, archive, "posts", partition, trim=False)
    found, _ = await told("explain", "event", post)
    assert found["stands"] == (
        f"in the log and in the archive, segment {manifest.first} of 2 events"
    )
    await crew.log.client.xtrim(stream_key("posts", partition), maxlen=0, approximate=False)
    await archived(crew, archive, "accounts", partition, trim=True)
    shown, status = await told("show", post)
    assert (status, shown["stands"], shown["username"]) == (0, "archive", "ada")
    assert [each["type"] for each in shown["caused"]] == ["post.published"]
    found, _ = await told("explain", "event", post)
    assert found["stands"].endswith("trimmed from the log")


async def test_each_role_says_how_far_it_is(crew, told, log_client, settings):
    """Waiting, in hand, done; and one sentence for all of it."""
    first = await crew.submit("ada")
    second = await crew.submit("ada")
    found, status = await told("explain", "event", second.id)
    assert (status, states(found)) == (0, {"renditions": "waiting", "posts": "waiting"})
    assert [each["before"] for each in found["roles"]] == [1, 1]
    assert found["conclusion"] == "Not all done: renditions has not come to it yet."

    stream = stream_key("posts", second.address.partition)
    await log_client.xreadgroup("renditions", "dark.1", {stream: ">"})
    await crew.work("posts")
    found, _ = await told("explain", "event", second.id)
    assert states(found) == {"renditions": "pending", "posts": "done"}
    assert found["roles"][0]["consumer"] == "dark.1"
    assert found["conclusion"] == "Not all done: renditions has it in hand."

    await crew.reject(first)
    await crew.work()
    found, _ = await told("explain", "event", first.id)
    assert states(found) == {"renditions": "done", "posts": "done"}
    [rejected] = found["caused"]
    assert (rejected["type"], states(rejected)) == ("post.rejected", {"posts": "done"})
    assert found["conclusion"].startswith("Done: every role")


async def test_what_is_buried_or_dropped_says_what_can_be_done(crew, told, log_client):
    """The reason, and the command that tries it again; who dropped it, and why."""
    post = await crew.submit("ada")
    stream = stream_key("posts", post.address.partition)
    await log_client.xreadgroup("renditions", "one", {stream: ">"})
    what = Undelivered("renditions", *post.address)
    letter = Letter(reason="ValueError: no luck", traceback="", attempts=8, buried_ms=1, entry={})
    assert await bury(log_client, what, letter, consumer="one")
    await crew.work("posts")
    found, _ = await told("explain", "event", post.id)
    assert states(found)["renditions"] == "buried"
    assert "ValueError: no luck" in found["conclusion"]
    assert f"dead-letters retry renditions:{post.address}" in found["conclusion"]

    await drop(log_client, what, Drop(who="eve", why="of a test", dropped_ms=1))
    found, _ = await told("explain", "event", post.id)
    assert states(found)["renditions"] == "dropped"
    assert found["conclusion"].endswith("renditions is not to do it: of a test.")


async def test_groups_that_are_missing_or_unknown_are_told(crew, told, log_client):
    post = await crew.submit("ada")
    stream = stream_key("posts", post.address.partition)
    await log_client.xgroup_destroy(stream, "renditions")
    await log_client.xgroup_create(stream, "stars", "0")
    await crew.work("posts")
    found, _ = await told("explain", "event", post.id)
    assert states(found) == {"renditions": "missing", "posts": "done", "stars": "waiting"}
    assert [each["listed"] for each in found["roles"]] == [True, True, False]
    assert found["conclusion"].startswith("Not all done: renditions has no group")


async def test_words_go_with_their_key(crew, told, ask, log_client):
    edited = await crew.log.append(ProfileEdited(bio="I am Ada"), actor=crew.ids["ada"])
    assert (await told("show", edited.id))[0]["payload"] == {"bio": "I am Ada"}
    await log_client.delete(f"keys:{{{edited.address.partition}}}")
    shown, status = await told("show", edited.id)
    assert (status, shown["payload"], shown["sealed"]) == (0, {}, "its key is destroyed")
    _, lines, _ = await ask("show", edited.id, partitions=PARTITIONS)
    assert "  sealed      its key is destroyed" in lines


async def test_events_that_no_role_can_read_are_shown(crew, told, log_client):
    """Of a newer version, with fields of its own; of broken bytes, with them."""
    head = Position(1_795_000_000_000, 0)
    newer = {"type": "mood.changed", "actor": "5", "colour": "blue", "payload": b"\x81\xa1a\x01"}
    await log_client.xadd("graph:{1}", newer, id=str(head))
    shown, status = await told("show", f"graph.1.{head}")
    assert (status, shown["payload"], shown["others"]) == (0, {"a": 1}, {"colour": "blue"})
    assert shown["problem"].startswith("unknown-type")
    broken = {"type": "post.deleted", "actor": "5", "payload": b"\xc1\xff"}
    await log_client.xadd("posts:{1}", broken, id=str(head))
    shown, _ = await told("show", f"posts.1.{head}")
    assert shown["payload"] == {"(undecodable)": "c1ff"}
    assert shown["problem"].startswith("undecodable: PostDeleted")
    found, _ = await told("explain", "event", f"posts.1.{head}")
    assert found["conclusion"].startswith("No role of this version can read it")


async def test_names_of_nothing_are_answered_with_a_sentence(crew, ask, archive: Archive):
    """Exit status 1, and why; what else was named is shown."""
    wish = await crew.follow("bob", "ada")

    async def refused(name):
        status, lines, aside = await ask("show", name, partitions=PARTITIONS)
        assert (status, lines) == (1, [])
        return aside

    later = Position(wish.position.ms + 1, 0)
    assert "stands in the future" in await refused(f"graph.1.{Position(2**42, 0)}")
    assert "the last event there is" in await refused(f"{wish.address.topic}.1.{later}")
    older = make_id(Position(wish.position.ms - 10**9, 0), shard_of(wish.id))
    assert "neither in the archive nor" in await refused(older)
    assert "There is no topic 'moods'" in await refused("moods.1.5-0")
    assert "This site has 2 partitions" in await refused("graph.7.5-0")
    status, lines, aside = await ask("show", older, wish.id, partitions=PARTITIONS)
    assert (status, aside.count("\n")) == (1, 1)
    assert lines[0].startswith(str(wish.address))
    status, lines, aside = await ask("show", wish.id, log_url="redis://127.0.0.1:1/0")
    assert (status, lines) == (1, [])
    assert aside.startswith("The log does not answer")


@pytest.mark.parametrize("name", ["nonsense", "-5", "0", str(2**63), "graph.1", "1-x", "٣"])
async def test_what_names_no_event_is_a_wrong_command(ask, name):
    with pytest.raises(SystemExit) as exit_status:
        await ask("show", name)
    assert exit_status.value.code == 2
