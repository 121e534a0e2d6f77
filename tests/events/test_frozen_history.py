"""Logs that earlier releases wrote, byte for byte, folded by the workers of today.

Each file under `frozen/` was written once: entries, keys and names as they stood in the log of
that release's site, and the rows and feeds its workers had made of them. None is ever changed or
written again; a release that adds events adds a file.
"""

import json
from base64 import b64decode
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from events.catalogue import BY_TAG
from events.log import Log
from runtime.connections import open_blocking_log
from runtime.settings import Secret
from stores.posts import PostState
from workers.process import open_site, readers_of
from workers.subscriptions import EFFECTS, SUBSCRIPTIONS

SAMPLES = sorted(Path(__file__).with_name("frozen").glob("*.json"))
PROJECTIONS = [role for role in SUBSCRIPTIONS if role not in EFFECTS]
ROUNDS = 100


@pytest.fixture(params=SAMPLES, ids=lambda path: path.stem)
def sample(request):
    return json.loads(request.param.read_text(encoding="utf-8"))


@pytest.fixture
def settings(settings, sample):
    return settings.replace(partitions=sample["partitions"], secret=Secret(sample["secret"]))


@pytest.mark.parametrize("batch_size", [200, 1])
async def test_todays_workers_fold_an_old_log_to_the_same_rows(
    settings, sample, log_client, monkeypatch, batch_size
):
    """Every column that release knew, and every feed."""
    # As in any replay, nobody decides again: what followed then stands in the log.
    monkeypatch.setattr(Log, "announce", silent)
    await restore(log_client, sample)
    async with AsyncExitStack() as stack:
        sites = {
            role: await stack.enter_async_context(open_site(settings, role)) for role in PROJECTIONS
        }
        blocking = await stack.enter_async_context(open_blocking_log(settings))
        feeds = sites["fanout"].feeds
        for viewer in map(int, sample["windows"]):
            token = await feeds.begin_build(viewer)
            await feeds.finish_build(viewer, token, [], truncated=False)
        await fold(settings.replace(batch_size=batch_size), sites, blocking)

        assert await tables_of(sites["posts"].database, sample) == sample["tables"]
        for viewer in sample["windows"]:
            window = (await feeds.skeleton(int(viewer), None, 100))._asdict()
            assert shown(window, sample) == shown(sample["windows"][viewer], sample)


def test_the_first_sample_has_every_event_of_its_time():
    """A complete history: whatever could happen by then did."""
    first = json.loads(SAMPLES[0].read_text(encoding="utf-8"))
    kinds = {
        b64decode(fields["type"]).decode()
        for entries in first["streams"].values()
        for _, fields in entries
    }
    assert kinds <= BY_TAG.keys()
    assert len(kinds) == 13


async def silent(*_arguments, **_options):
    pass


async def restore(client, sample):
    """Put the very bytes back, under their own positions."""
    for stream, entries in sample["streams"].items():
        for position, fields in entries:
            await client.xadd(stream, opened(fields), id=position)
    for name, fields in sample["hashes"].items():
        await client.hset(name, mapping=opened(fields))


def opened(fields):
    return {name: b64decode(value) for name, value in fields.items()}


async def fold(settings, sites, blocking):
    """Run every projection until nothing moves."""
    now = 0.0
    readers = [
        reader
        for role, site in sites.items()
        for reader in readers_of(role, settings, site, blocking, clock=lambda: now)
    ]
    for _ in range(ROUNDS):
        now += 10
        settled = [await reader.step() for reader in readers]
        if not any(settled) and not any(reader.claims.leases.held for reader in readers):
            return
    pytest.fail("the old log did not settle")


async def tables_of(database, sample):
    """The same columns of the same tables."""
    found = {}
    for table, rows in sample["tables"].items():
        fetched = await database.fetch(f"SELECT to_jsonb(t) AS row FROM {table} AS t")  # noqa: S608 - names of ours
        known = [{name: json.loads(each["row"])[name] for name in rows[0]} for each in fetched]
        found[table] = sorted(known, key=json.dumps)
    return found


def shown(window, sample):
    """What a reader is shown of a window: nothing deleted, nothing of hidden authors."""
    posts = {row["id"]: row for row in sample["tables"]["heliograph.posts"]}
    return window["floor"], [
        [ms, post_id]
        for ms, post_id in window["entries"]
        if posts[post_id]["state"] < PostState.DELETED
        and posts[post_id]["author_id"] not in window["hidden"]
    ]
