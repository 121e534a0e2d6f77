"""One sequence from the first entry on, wherever each stands; never past a fault."""

import pytest

from events.history import History, HistoryBroken
from events.ids import START
from events.log import stream_key
from events.segments import SegmentBroken
from stores.archive import manifest_key, segment_key
from tests.archiving import at, contents_swapped, deleted, entry, moments, run, swapped

STREAM = stream_key("posts", 3)
ALL = list(range(1, 13))


@pytest.fixture
def history(log, archive):
    return History(log, archive)


@pytest.fixture
def read(history):
    async def read(after=START, until=None):
        pages = history.pages("posts", 3, after=after, until=until)
        return [moment async for page in pages for moment in moments(page)]

    return read


@pytest.fixture
def stream(log_client):
    """Write entries into the stream as they are, and set the head to the last."""

    async def write(*entries, head=None):
        for entry_id, fields in entries:
            await log_client.xadd(STREAM, fields, entry_id)
        await log_client.hset("head:{3}", "posts", str(at(head)) if head else entries[-1][0])

    return write


@pytest.fixture
async def told(archive, stream, log_client):
    """Twelve entries: four segments' worth of three each archived are three; six are trimmed."""
    for first in (1, 4, 7):
        moments = range(first, first + 3)
        await archive.add("posts", 3, run(*moments, after=first - 1 or None))
    await stream(*run(*ALL))
    await log_client.xtrim(STREAM, minid=str(at(7)), approximate=False)


async def test_archive_and_stream_are_one_sequence(read, told):
    """Every entry once and in order, whatever both of them hold."""
    assert await read() == ALL


async def test_a_history_begins_and_ends_anywhere(read, told):
    """After any position and up to any other, in the archive, in the stream, at their seam."""
    for after in range(13):
        for until in range(after, 14):
            expected = [moment for moment in ALL if after < moment <= until]
            assert await read(at(after) if after else START, at(until)) == expected


async def test_the_archive_alone_is_a_history(read, told, log_client):
    """Of a log that was lost and has no head, as far as it was archived."""
    await log_client.flushall()

    assert await read() == ALL[:9]


async def test_a_stream_alone_is_a_history(read, stream):
    await stream(*run(*ALL))

    assert await read() == ALL


async def test_a_long_stream_comes_in_pages(history, stream, log_client):
    await stream(*run(*range(1, 2_502)))

    pages = [len(page) async for page in history.pages("posts", 3)]
    assert sum(pages) == 2_501
    assert max(pages) == 1_000


async def test_nothing_at_all_is_a_history(read, archive):
    assert await read() == []


async def test_entries_that_are_kept_alone_do_not_hide_the_archive(read, told, log_client):
    """Before the trimmed stretch a dead letter's entry may stand: it is given in its place."""
    await log_client.delete(STREAM)
    for entry_id, fields in [run(*ALL)[1], *run(*ALL)[7:]]:
        await log_client.xadd(STREAM, fields, entry_id)

    assert await read() == ALL
    assert await read(at(1)) == ALL[1:]
    assert await read(at(2)) == ALL[2:]


async def test_what_is_trimmed_meanwhile_is_read_from_the_archive(history, told, log_client):
    """The reader stands at 8 in the stream when all up to 9 is dropped from it."""
    pages = history.pages("posts", 3, after=at(6), until=at(8))
    assert moments(await anext(pages)) == [7, 8]
    await log_client.xtrim(STREAM, minid=str(at(10)), approximate=False)

    going_on = history.pages("posts", 3, after=at(8))
    assert [m async for page in going_on for m in moments(page)] == [9, 10, 11, 12]


BROKEN = [
    (lambda entries: deleted(entries, 1), 3, "missing"),
    (lambda entries: swapped(entries, 1), 3, "swapped"),
    (lambda entries: contents_swapped(entries, 1), 2, "swapped"),
    (lambda entries: [*entries[:2], entry(3, 1), *entries[3:]], 3, "forked"),
    (lambda entries: [*entries[:2], *run(*range(3, 13), after=1)], 3, "forked"),
    (lambda entries: [*entries[:2], entry(3, type=b"x", after=b"?"), *entries[3:]], 3, "forked"),
    (lambda entries: entries[1:], 2, "missing"),
]


@pytest.mark.parametrize(("damage", "position", "reason"), BROKEN)
async def test_a_fault_in_a_segment_is_found(read, archive, damage, position, reason):
    """Deleted, swapped or forked entries, under a manifest that fits them."""
    await archive.add("posts", 3, damage(run(*ALL)))

    with pytest.raises(HistoryBroken, match=reason) as refusal:
        await read()
    assert (refusal.value.reason, refusal.value.position) == (reason, at(position))
    assert (refusal.value.topic, refusal.value.partition) == ("posts", 3)


@pytest.mark.parametrize(
    ("damage", "position", "reason"), [each for each in BROKEN if each[0] is not BROKEN[1][0]]
)
async def test_a_fault_in_the_stream_is_found(read, stream, archive, damage, position, reason):
    """The same, but for the order of positions, which a stream never leaves."""
    await stream(*damage(run(*ALL)))

    with pytest.raises(HistoryBroken, match=reason) as refusal:
        await read()
    assert (refusal.value.reason, refusal.value.position) == (reason, at(position))


async def test_a_tail_that_was_cut_off_is_found(read, stream, archive):
    """Nothing follows what was deleted last: it is the head that says it was there."""
    await stream(*run(*ALL[:-1]), head=12)

    with pytest.raises(HistoryBroken) as refusal:
        await read()
    assert (refusal.value.reason, refusal.value.position) == ("missing", at(12))


async def test_a_log_that_forgot_its_end_forks(read, told, log_client, stream):
    """After half a restore new entries follow older ones than the archive holds."""
    await log_client.delete(STREAM)
    await stream(entry(13, 8))

    with pytest.raises(HistoryBroken) as refusal:
        await read()
    assert (refusal.value.reason, refusal.value.position) == ("forked", at(13))


@pytest.mark.parametrize("first", [1, 4])
async def test_a_missing_segment_is_found(read, told, objects, first):
    """With its manifest the segment itself is named; without, the entry that follows nothing."""
    await objects.delete([segment_key("posts", 3, at(first))])
    with pytest.raises(SegmentBroken, match="it is missing"):
        await read()

    await objects.delete([manifest_key("posts", 3, at(first))])
    with pytest.raises(HistoryBroken) as refusal:
        await read()
    assert (refusal.value.reason, refusal.value.position) == ("missing", at(first + 3))


async def test_a_missing_end_of_the_archive_does_no_harm_while_the_stream_goes_back(
    read, told, objects
):
    """The last segment is there twice: what the stream still holds is read from it."""
    await objects.delete([manifest_key("posts", 3, at(7)), segment_key("posts", 3, at(7))])
    assert await read() == ALL

    await objects.delete([manifest_key("posts", 3, at(4)), segment_key("posts", 3, at(4))])
    with pytest.raises(HistoryBroken) as refusal:
        await read()
    assert (refusal.value.reason, refusal.value.position) == ("missing", at(7))


async def test_reordered_segments_are_found(read, archive, objects):
    """Two segments that follow each other in the wrong order break the chain at once."""
    await archive.add("posts", 3, run(4, 5, 6))
    await archive.add("posts", 3, run(7, 8, 9, after=3))

    with pytest.raises(HistoryBroken) as refusal:
        await read()
    assert (refusal.value.reason, refusal.value.position) == ("forked", at(7))


async def test_damage_behind_the_end_that_is_wanted_does_no_harm(read, archive):
    """Up to a moment before it the history is whole, and is given."""
    await archive.add("posts", 3, deleted(run(*ALL), 8))

    assert await read(until=at(7)) == ALL[:7]
    with pytest.raises(HistoryBroken):
        await read(until=at(9))
