"""The workbench as an operator has it: what is printed, and what the exit status says."""

import json

import pytest

from events.accounts import PasswordChanged, ProfileEdited
from events.claims import ensure_group
from events.dead_letters import DEAD, DROPPED, Letter, Undelivered, bury
from events.ids import Position, shard_of
from events.log import stream_key
from runtime.settings import Secret


@pytest.fixture
def run(ask):
    """Run a command of `dead-letters` here."""

    async def run(*arguments, **changes):
        return await ask("dead-letters", *arguments, **changes)

    return run


@pytest.fixture
def bury_entry(log_client):
    """Bury an entry of any kind for a role, as its worker would."""

    async def make(topic, partition, entry_id, *, role="posts", buried_ms=1, reason="x: y"):
        stream = stream_key(topic, partition)
        await ensure_group(log_client, stream, role)
        await log_client.xreadgroup(role, "one", {stream: ">"})
        [(_, entry)] = await log_client.xrange(stream, entry_id, entry_id)
        what = Undelivered(role, topic, partition, Position.parse(entry_id))
        letter = Letter(reason=reason, traceback="T", attempts=8, buried_ms=buried_ms, entry=entry)
        assert await bury(log_client, what, letter, consumer="one")
        return what

    return make


async def test_a_list_is_a_table_or_json_lines(buried, run, ada):
    """Each row names what the other commands take; without letters nothing is printed."""
    assert await run("list") == (0, [], "No letter stands.\n")
    what = await buried()
    status, [head, row], _ = await run("list")
    assert (status, head.split()[:3]) == (0, ["LETTER", "TYPE", "EVENT"])
    assert row.startswith(f"posts:{what.address}  post.deleted")
    assert row.endswith("ValueError: no luck")
    _, [line], _ = await run("list", "--json")
    told = json.loads(line)
    assert (told["actor"], told["address"]) == (str(ada), str(what.address))
    assert "payload" not in told


async def test_filters_choose(delete, run, bury_entry):
    """By role, topic, type, reason and time of burial; all of them must hold."""
    first, second, third = await delete(1, 2, 3)
    partition = first.address.partition
    await bury_entry("posts", partition, str(first.position), buried_ms=1_000)
    await bury_entry("posts", partition, str(second.position), buried_ms=2_000, reason="w: z")
    await bury_entry("posts", partition, str(third.position), role="fanout", buried_ms=3_000)

    async def found(*filters):
        _, lines, _ = await run("list", "--json", *filters)
        return [json.loads(line)["buried_at"][17:19] for line in lines]

    assert sorted(await found()) == ["01", "02", "03"]
    assert await found("--role", "fanout") == ["03"]
    assert await found("--topic", "posts", "--reason", "w") == ["02"]
    assert await found("--since", "1970-01-01T00:00:02Z", "--role", "posts") == ["02"]
    assert await found("--until", "1970-01-01T00:00:02") == ["01"]
    assert await found("--since", "2h") == []
    assert await found("--type", "post.published") == []
    status, lines, aside = await run("list", "--limit", "2")
    assert (status, len(lines), "--limit 0" in aside) == (0, 3, True)


async def test_what_is_personal_is_shown_while_its_key_exists(
    log, ada, run, bury_entry, log_client
):
    """Also in a letter; with the key it goes. Under another secret nothing is told."""
    edited = await log.append(ProfileEdited(bio="I am Ada"), actor=ada)
    what = await bury_entry("accounts", edited.address.partition, str(edited.position))
    _, [line], _ = await run("show", "--json", str(edited.id))
    told = json.loads(line)
    assert (told["payload"], told["sealed"]) == ({"bio": "I am Ada"}, "opened")
    other = Secret("the secret of another site, and long enough")
    status, lines, aside = await run("show", str(edited.id), secret=other)
    assert (status, lines) == (1, [])
    assert "HELIOGRAPH_SECRET is not the one" in aside

    await log_client.delete(f"keys:{{{what.partition}}}")
    _, lines, _ = await run("show", str(edited.id))
    assert any("its key is destroyed" in line for line in lines)
    assert not any("Ada" in line for line in lines)


async def test_no_hash_of_a_password_is_printed(log, ada, run, bury_entry):
    """What a thief could try words against helps nobody to mend a delivery."""
    changed = await log.append(PasswordChanged(password_hash="$argon2id$words"), actor=ada)
    await bury_entry("accounts", changed.address.partition, str(changed.position))
    for style in ((), ("--json",)):
        _, lines, _ = await run("show", *style, str(changed.id))
        assert lines
        assert "argon2id" not in "".join(lines)


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "mood.changed", "actor": "5", "payload": b"\x81\xa4mood\xa4blue"},
        {"type": "mood.changed", "payload": b"\xc1\xff", "sealed": b"\x00" * 40},
        {"type": b"\xff\xfe", "actor": "nobody", "time": "noon", "request": b"\xff"},
        {"mood": "blue"},
        {"type": "mood.\x1b[2J", "actor": "5", "payload": b"\x81\xa4mood\xa7blue\xe2\x80\xae"},
    ],
)
async def test_whatever_stands_in_a_letter_is_shown(entry, log_client, run, bury_entry):
    """Of a type that is not known here, or of broken bytes: as text or as hexadecimal digits."""
    entry_id = "1700000000000-0"
    await log_client.xadd(stream_key("posts", 3), entry, id=entry_id)
    what = await bury_entry("posts", 3, entry_id)

    for arguments in (["list"], ["show", f"posts.3.{entry_id}"]):
        status, lines, _ = await run(*arguments)
        assert status == 0
        assert any(str(what.address) in line for line in lines)
        assert all(line.isprintable() for line in lines)
    _, [line], _ = await run("show", "--json", f"posts:posts.3.{entry_id}")
    if entry.get("actor") == "5":
        assert json.loads(line)["payload"]["mood"].startswith("blue")


async def test_retrying_by_filter_says_what_it_did(delete, run, bury_entry, standing, pending):
    """Each on a line; a dry run only says so."""
    appended = await delete(*range(70))
    for each in appended:
        await bury_entry("posts", each.address.partition, str(each.position))
    status, lines, aside = await run("retry", "--all", "--dry-run")
    assert (status, len(lines), aside) == (0, 70, "70 in all.\n")
    assert (len(await standing()), await pending()) == (70, 0)

    status, lines, aside = await run("retry", "--type", "post.deleted")
    assert (status, len(lines), aside) == (0, 70, "70 in all.\n")
    assert (await standing(), await pending()) == ([], 70)


async def test_machines_are_told_of_each_decision(delete, run, bury_entry):
    """As objects, what failed too; nothing else is on their lines."""
    [appended] = await delete(1)
    await bury_entry("posts", appended.address.partition, str(appended.position))
    status, [line], _ = await run("drop", "--all", "--why", "of a test", "--json")
    told = json.loads(line)
    assert (status, told["decided"], told["event"]) == (0, "dropped", str(appended.id))
    status, [line], _ = await run("retry", str(appended.id), "--json")
    assert (status, json.loads(line)["decided"]) == (0, "retried")


async def test_dropping_wants_a_reason_and_warns(buried, run, standing):
    """Who dropped it stands with the letter; what it would have hidden is named."""
    what = await buried()
    name = f"posts:{what.address}"
    status, [line], aside = await run("drop", name, "--why", "of a test")
    assert (status, line) == (0, f"{name}  post.deleted  dropped")
    assert "WARNING: this event hides" in aside
    [(_, letter)] = await standing(DROPPED)
    assert letter.dropped.why == "of a test"
    assert letter.dropped.who

    assert (await run("list"))[1] == []
    assert len((await run("list", "--dropped"))[1]) == 2
    status, lines, aside = await run("drop", name, "--why", "twice")
    assert (status, lines) == (1, [])
    assert "no letter to drop" in aside
    assert (await run("retry", "--dropped", "--all"))[:2] == (
        0,
        [f"{name}  post.deleted  retried"],
    )


async def test_what_cannot_be_done_is_said_in_a_sentence(buried, run, log_client, standing, ada):
    """Status 1, the rest is done all the same."""
    what = await buried()
    await log_client.xdel(stream_key("posts", what.partition), str(what.position))
    status, lines, aside = await run("retry", str(what.address), "posts.3.1-1", "999999999")
    assert (status, lines) == (1, [])
    assert "stands in the log no more" in aside
    assert aside.count("has no letter to retry") == 2
    assert len(await standing(DEAD)) == 1
    assert shard_of(ada) % 8 == what.partition

    status, lines, aside = await run("list", log_url="redis://127.0.0.1:1/0")
    assert (status, lines) == (1, [])
    assert aside.startswith("The log does not answer")
    assert aside.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["retry"],
        ["retry", "--all", "1"],
        ["retry", "1", "--role", "posts"],
        ["retry", "nonsense"],
        ["retry", "--since", "yesterday"],
        ["drop", "1"],
        ["drop", "1", "--why", " "],
        ["drop", "1", "--why", "x", "--dropped"],
        ["list", "--limit", "some"],
        ["show"],
    ],
)
async def test_a_command_that_means_nothing_changes_nothing(arguments, run):
    """Status 2 before anything is asked of the log."""
    with pytest.raises(SystemExit) as exit_status:
        await run(*arguments, log_url="redis://127.0.0.1:1/0")
    assert exit_status.value.code == 2
