"""`python -m events archive` as operators and machines see it."""

import json

import pytest

from events.__main__ import carry_out, parser
from events.telling import Desk
from events.trimming import trim_topic
from stores.archive import segment_key
from tests.archiving import at, run


@pytest.fixture
def call(settings, capsys):
    """Run a command; its exit status, what it printed, what it said aside."""

    async def call(*arguments):
        status = await carry_out(settings, parser().parse_args(["archive", *arguments]))
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture
async def told(archive, append):
    await archive.add("posts", 3, run(1, 2))
    await archive.add("posts", 3, run(3, 4, after=2))
    await append(*run(1, 2, 3, 4, 5))


async def test_the_archive_is_listed(call, told):
    """Sums of topics and partitions that have any, or segment by segment."""
    status, out, _ = await call("list", "--json")
    assert status == 0
    assert [json.loads(line) for line in out.splitlines()] == [
        {
            "topic": "posts",
            "partition": 3,
            "segments": 2,
            "entries": 4,
            "bytes": json.loads(out)["bytes"],
            "first": str(at(1)),
            "last": str(at(4)),
            "from": "2026-01-01T00:00:00Z",
            "to": "2026-01-01T00:00:00Z",
        }
    ]

    _, out, _ = await call("list", "--segments", "--json")
    assert [json.loads(line)["first"] for line in out.splitlines()] == [str(at(1)), str(at(3))]


async def test_an_empty_archive_is_no_failure(call, archive, clean_site):
    assert await call("list") == (0, "", "Nothing is archived yet.\n")


async def test_what_is_whole_is_said_to_be(call, told, log_client):
    """Status 0, and what was looked at; nothing of it holds up the trim afterwards."""
    status, out, err = await call("verify", "--topic", "posts", "--partition", "3", "--json")

    assert (status, err) == (
        0,
        "All of it is whole: nothing is missing, changed or out of order.\n",
    )
    row = json.loads(out)
    assert (row["segments"], row["entries"], row["live"], row["faults"]) == (2, 4, 1, 0)
    assert not [key async for key in log_client.scan_iter("holds:*")]


async def test_every_fault_is_told_and_fails(call, told, objects, log_client):
    """For people as sentences, for machines as objects; then the sums all the same."""
    await objects.delete([segment_key("posts", 3, at(3))])
    await log_client.hset("head:{3}", "posts", str(at(6)))

    status, out, err = await call("verify", "--topic", "posts")
    assert status == 1
    assert f"posts.3.{at(3)} is broken: it is missing." in out
    assert f"posts.3.{at(6)} is missing: it was the last that was appended." in out
    assert "whole" not in err

    status, out, _ = await call("verify", "--topic", "posts", "--partition", "3", "--json")
    told = [json.loads(line) for line in out.splitlines()]
    assert [each.get("kind") for each in told] == ["broken", "missing", None]
    assert told[-1]["faults"] == 2


async def test_what_does_not_exist_cannot_be_asked_for(call, capsys):
    status, _, err = await call("verify", "--partition", "8")
    assert (status, err) == (2, "This site has the partitions 0 to 7.\n")

    with pytest.raises(SystemExit) as refusal:
        await call("verify", "--topic", "work")
    assert refusal.value.code == 2


async def test_trims_wait_for_whoever_verifies(settings, log, told):
    """From before its first look to its last word, or to where it was interrupted."""
    arguments = parser().parse_args(["archive", "verify"])
    told = arguments.run(Desk(settings, log), arguments)
    await anext(told)
    assert (await trim_topic(log, "posts", 3, [], budget_bytes=0)).state == "held"

    await told.aclose()
    assert (await trim_topic(log, "posts", 3, [], budget_bytes=0)).state == "unarchived"
