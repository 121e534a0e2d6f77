"""Whatever is wrong anywhere in a topic is found, and all of it, not only the first."""

import msgspec
import pytest

from events.ids import Position
from events.log import stream_key
from events.segments import FORMAT, MAGIC, pack
from events.trimming import record_archived
from stores.archive import manifest_key, segment_key
from tests.archiving import at, contents_swapped, deleted, entry, run, swapped
from workers.archive_check import Audit

STREAM = stream_key("posts", 3)
ALL = list(range(1, 13))


@pytest.fixture
def found(library):
    """Moment and kind of every fault."""

    async def found(topic="posts", partition=3):
        audit = Audit(library, topic, partition)
        faults = [each async for each in audit.run() if each]
        assert audit.faults == len(faults)
        return [(told(each.position), each.kind) for each in faults]

    return found


def told(position):
    try:
        return Position.parse(position).ms - at(0).ms
    except ValueError:
        return position


@pytest.fixture
async def whole(archive, append):
    """Three segments of three, all twelve in the stream."""
    for first in (1, 4, 7):
        await archive.add("posts", 3, run(*range(first, first + 3), after=first - 1 or None))
    await append(*run(*ALL))


@pytest.fixture
def put(objects):
    """Put something in the place of what is stored, or nothing."""

    async def put(key, content=None):
        await objects.delete([key])
        if content is not None:
            await objects.put_if_absent(key, content, "application/octet-stream")

    return put


@pytest.fixture
def put_entries(put):
    """Put a segment of these entries in the place of one, its manifest honest."""

    async def put_entries(first, entries):
        data, manifest = pack("posts", 3, entries)
        manifest = msgspec.structs.replace(manifest, first=str(at(first)))
        await put(segment_key("posts", 3, at(first)), data)
        await put(manifest_key("posts", 3, at(first)), msgspec.json.encode(manifest))

    return put_entries


async def test_what_is_whole_has_no_fault(found, whole, log_client):
    """Trimmed or not; and of an empty topic there is nothing to say."""
    assert await found() == []
    await log_client.xtrim(STREAM, minid=str(at(8)), approximate=False)
    assert await found() == []
    assert await found("graph", 0) == []


@pytest.mark.parametrize(
    ("damage", "faults"),
    [
        (lambda entries: deleted(entries, 1), [(6, "missing")]),
        (lambda entries: swapped(entries, 1), [(6, "swapped"), (5, "swapped")]),
        (lambda entries: contents_swapped(entries, 1), [(5, "swapped"), (6, "forked")]),
        (lambda entries: [*entries[:1], entry(5, 3), *entries[2:]], [(5, "forked")]),
        (lambda entries: [*entries[:1], *run(5, 6, after=3)], [(5, "forked")]),
        (lambda entries: entries[:2], [(7, "missing")]),
    ],
)
async def test_a_fault_in_a_segment_is_found(found, whole, put_entries, log_client, damage, faults):
    """Though its manifest fits it: deleted, swapped and forked entries, by their position."""
    await log_client.xtrim(STREAM, minid=str(at(10)), approximate=False)
    await put_entries(4, damage(run(4, 5, 6, after=3)))

    assert await found() == faults


async def test_the_same_faults_are_seen_where_the_stream_knows_better(found, whole, put_entries):
    """What the log still holds of a segment is another than what is archived."""
    await put_entries(4, contents_swapped(run(4, 5, 6, after=3), 1))

    faults = await found()
    assert [each for each in faults if each[1] == "unlike"] == [(5, "unlike"), (6, "unlike")]
    assert len(faults) == 4


@pytest.mark.parametrize(
    ("entries", "faults"),
    [
        ([*run(*range(1, 10)), *run(11, 12, after=10)], [(11, "missing")]),
        ([*run(*range(1, 11)), entry(11, 9), entry(12, 11)], [(11, "forked")]),
        ([*run(*range(1, 11)), entry(11, 11), entry(12, 10)], [(11, "swapped"), (12, "forked")]),
        (run(*range(1, 10)), [(12, "missing")]),
        ([*run(*range(1, 9)), *run(*range(10, 13), after=8)], [(10, "forked")]),
        ([*run(*range(1, 7)), entry(8, 6), *run(*range(10, 13), after=9)], [(8, "unlike")]),
    ],
)
async def test_a_fault_in_the_stream_is_found(found, whole, append, log_client, entries, faults):
    """Behind the archive, at its seam, in front of it, and at the very end."""
    await log_client.delete(STREAM)
    await append(*entries)
    await log_client.hset("head:{3}", "posts", str(at(12)))

    assert await found() == faults


@pytest.mark.parametrize("moment", [1, 4, 7])
async def test_damaged_bytes_are_found_and_the_rest_is_still_proven(
    found, whole, put, objects, log_client, moment
):
    """Truncated, changed, exchanged, missing or of a newer format, wherever the segment stands."""
    await log_client.xtrim(STREAM, minid=str(at(11)), approximate=False)
    key = segment_key("posts", 3, at(moment))
    data = await objects.read(key)
    other = await objects.read(segment_key("posts", 3, at(1 if moment == 4 else 4)))
    newer = MAGIC + (FORMAT + 1).to_bytes(2) + data[len(MAGIC) + 2 :]
    for content in (data[:-3], data[:-3] + b"123", other, None, newer, b""):
        await put(key, content)
        # 10 was trimmed, and is in no segment.
        assert await found() == [(moment, "broken"), (11, "missing")]


@pytest.mark.parametrize(
    "lie", [{"count": 9}, {"first": "1-0"}, {"after": "1-0"}, {"sha256": ""}, {"format": 2}]
)
async def test_a_manifest_that_lies_is_found(found, whole, put, objects, lie):
    key = manifest_key("posts", 3, at(4))
    manifest = msgspec.json.decode(await objects.read(key))
    await put(key, msgspec.json.encode(manifest | lie))
    assert await found() == [(4, "broken")]

    await put(key, msgspec.json.encode(manifest | {"last": str(at(5))}))
    assert await found() == [(4, "broken"), (7, "missing")]


async def test_missing_and_foreign_objects_are_found(found, whole, put):
    """A manifest that is gone, a whole segment that is gone, something that does not belong."""
    await put(manifest_key("posts", 3, at(4)))
    assert await found() == [(4, "broken"), (7, "missing")]

    await put(segment_key("posts", 3, at(4)))
    assert await found() == [(7, "missing")]

    await put("archive/posts/3/notes.txt", b"keep?")
    assert await found() == [(7, "missing"), ("notes.txt", "broken")]


async def test_a_segment_that_has_no_manifest_yet_is_no_fault(found, whole, put):
    """Its owner is about to put it, or whoever comes next."""
    await put(manifest_key("posts", 3, at(7)))

    assert await found() == []


async def test_reordered_segments_are_found(found, whole, put, objects, log_client):
    """Two whose bytes and manifests stand in each other's place."""
    await log_client.xtrim(STREAM, minid=str(at(10)), approximate=False)
    for ending in (segment_key, manifest_key):
        one, other = ending("posts", 3, at(1)), ending("posts", 3, at(4))
        contents = await objects.read(one), await objects.read(other)
        await put(one, contents[1])
        await put(other, contents[0])

    assert await found() == [(1, "broken"), (4, "broken")]


async def test_an_archive_that_lost_its_end_is_found(found, whole, put, log):
    """The log was told of more than there is."""
    await record_archived(log, "posts", 3, at(9))
    await put(manifest_key("posts", 3, at(7)))
    await put(segment_key("posts", 3, at(7)))

    assert await found() == [(9, "lost")]


async def test_a_log_that_lost_its_end_is_found(found, whole, log_client):
    """The archive holds what the log does not know of: it would append another past."""
    await log_client.delete(STREAM, "head:{3}")

    assert await found() == [(9, "lost")]


async def test_types_of_the_future_are_nothing_to_complain_of(found, archive, append):
    entries = [entry(1), entry(2, 1, type=b"of.the.future", payload=b"\xc1")]
    await archive.add("posts", 3, entries)
    await append(*entries)

    assert await found() == []
