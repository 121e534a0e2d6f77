"""`python -m events lag` and `stats`: who is behind, and what the log holds."""

import json

import pytest

from events.ids import shard_of
from events.log import stream_key
from events.trimming import hold, record_archived
from tests.workers.crew import PARTITIONS, opened_crew


@pytest.fixture
async def crew(settings, clean_site):
    async with opened_crew(settings) as crew:
        await crew.sign_up("ada", "bob")
        yield crew


@pytest.fixture
def told(ask):
    """What a command tells, as objects."""

    async def told(*arguments):
        status, lines, aside = await ask(*arguments, "--json", partitions=PARTITIONS)
        assert status == 0, aside
        return [json.loads(line) for line in lines]

    return told


async def test_who_is_behind_is_told_with_age_and_consumers(crew, told, log_client):
    """Entries not given, entries given and not done, since when, at whom."""
    await crew.follow("bob", "ada")
    post = await crew.publish("ada")
    stream = stream_key("posts", shard_of(post) % PARTITIONS)
    await log_client.xreadgroup("posts", "slow.1", {stream: ">"}, count=1)
    rows = {(row["role"], row["topic"]): row for row in await told("lag")}

    assert rows["graph", "graph"]["behind"] == 1
    assert (rows["posts", "posts"]["behind"], rows["posts", "posts"]["pending"]) == (1, 1)
    assert rows["posts", "posts"]["oldest"][10] == "T"
    assert rows["posts", "posts"]["seconds"] >= 0
    assert rows["archive", "posts"]["behind"] == 2
    assert rows["accounts", "accounts"]["behind"] == 0
    await crew.work()
    others = {"archive", "erasures"}  # which nobody serves here
    behind = [row for row in await told("lag") if row["behind"] and row["role"] not in others]
    assert behind == []

    [_, consumer] = [
        row for row in await told("lag", "--role", "posts", "--consumers") if "consumer" in row
    ][:2]
    assert consumer["consumer"]


async def test_partitions_have_rows_of_their_own_and_a_total(crew, ask):
    """The table for people ends with the sum."""
    await crew.publish("ada")
    _, lines, _ = await ask("lag", "--role", "posts", "--partitions", partitions=PARTITIONS)
    places = [
        ["posts", topic, str(n)] for topic in ("accounts", "posts") for n in range(PARTITIONS)
    ]
    assert [line.split()[:3] for line in lines[1:-1]] == places
    assert lines[-1].split()[:2] == ["total", "2"]
    status, lines, aside = await ask("lag", "--role", "nobody")
    assert (status, lines) == (1, [])
    assert "called 'nobody'" in aside


async def test_groups_that_are_missing_or_unlisted_are_marked(crew, told, log_client):
    await crew.publish("ada")
    for partition in range(PARTITIONS):
        await log_client.xgroup_destroy(stream_key("posts", partition), "renditions")
    await log_client.xgroup_create("graph:{0}", "stars", "0")
    notes = {(row["role"], row["topic"]): row["note"] for row in await told("lag")}

    assert notes["renditions", "posts"] == "missing"
    assert notes["stars", "graph"] == "unlisted"
    assert notes["posts", "posts"] is None


async def test_the_log_is_told_by_topic_by_type_and_beside(crew, told, ask):
    """Counts are exact, shares add up, and what is archived or held is said."""
    for _ in range(3):
        post = await crew.publish("ada")
    for partition in range(PARTITIONS):
        await record_archived(
            crew.log,
            "posts",
            partition,
            (await crew.log.event_at((await crew.follow("bob", "ada")).address)).position,
        )
    await hold(crew.log, "a replay", 60)
    told_all = await told("stats", "--all")
    topics = {row["topic"]: row for row in told_all if "entries" in row}
    types = {row["type"]: row for row in told_all if "type" in row}
    beside = {row["what"]: row["value"] for row in told_all if "what" in row}

    assert (topics["posts"]["entries"], topics["work"]["entries"]) == (6, 0)
    assert topics["posts"]["bytes"] > 0
    assert topics["posts"]["archived"] == "all"
    assert topics["accounts"]["archived"] == "all but 1, to nothing"
    assert topics["work"]["archived"] == "never"
    assert topics["posts"]["a_second"] == round(6 / 60, 2)
    assert topics["posts"]["first"] <= topics["posts"]["last"]
    assert (types["post.submitted"]["events"], types["follow.requested"]["events"]) == (3, 2)
    assert sum(row["share"] for row in types.values()) == pytest.approx(1, abs=0.001)
    assert beside["names reserved"] == beside["account keys"] == 2
    assert beside["hold a replay"].startswith("until 2")
    assert beside["idempotency records, about"] >= 6
    assert post

    status, lines, aside = await ask("stats", partitions=PARTITIONS)
    assert (status, aside) == (0, "")
    assert any(line.startswith("By type, of the last 1,000") for line in lines)
