"""What was put into the archive stays as it is, in order, whoever else puts there."""

import asyncio

import msgspec
import pytest

from events.ids import START, Position
from events.segments import SegmentBroken
from stores.archive import manifest_key, padded, segment_key
from tests.archiving import at, moments, run


@pytest.fixture
def add(archive):
    """Put faultless segments, one behind the other."""

    async def add(*segments):
        last, made = None, []
        for each in segments:
            made.append(await archive.add("posts", 3, run(*each, after=last)))
            last = each[-1]
        return made

    return add


async def test_segments_come_back_in_order(archive, add):
    """Each with its manifest; and from any position on, those that hold something behind it."""
    made = await add((1, 2), (5, 9), (10,), (400_000,), (9_000_000_000, 9_000_000_001))

    async def after(position):
        return [each async for each in archive.manifests("posts", 3, position)]

    assert await after(START) == made
    assert [moments(await archive.entries(each)) for each in made][1] == [5, 9]
    for moment, skipped in [(1, 0), (2, 1), (5, 1), (7, 1), (9, 2), (399_999, 3), (400_000, 4)]:
        assert await after(at(moment)) == made[skipped:], moment
    assert await after(at(9_000_000_000)) == made[4:]
    assert await after(at(9_000_000_001)) == []
    assert await archive.last("posts", 3) == made[-1]


async def test_an_empty_archive_has_no_segments(archive):
    assert [each async for each in archive.manifests("posts", 3)] == []
    assert [each async for each in archive.manifests("posts", 3, at(5))] == []
    assert await archive.last("posts", 3) is None


async def test_topics_and_partitions_are_apart(archive, add):
    """Partition 1 is not the beginning of partition 10, nor `posts` that of anything else."""
    await add((1, 2))
    await archive.add("posts", 30, run(1))
    await archive.add("postscripts", 3, run(1))

    assert [each.count async for each in archive.manifests("posts", 3)] == [2]


async def test_more_segments_than_one_listing_holds(archive):
    """A thousand keys are what storage tells at once; all of them are found, and the last."""
    async with asyncio.TaskGroup() as tasks:
        for number in range(520):
            entries = run(1000 * number, after=1000 * (number - 1) if number else None)
            tasks.create_task(archive.add("posts", 3, entries))
    found = [each.first async for each in archive.manifests("posts", 3)]

    assert len(found) == 520
    assert found == sorted(found)
    assert (await archive.last("posts", 3)).first == found[-1]
    assert [e.first async for e in archive.manifests("posts", 3, at(300_500))] == found[301:]


async def test_the_first_owner_wins(archive):
    """Of two that put a segment at the same position one is stored, and both learn which."""
    one, other = await asyncio.gather(
        archive.add("posts", 3, run(1, 2, 3)), archive.add("posts", 3, run(1, 2))
    )

    assert one == other
    assert moments(await archive.entries(one)) in ([1, 2, 3], [1, 2])
    assert [each async for each in archive.manifests("posts", 3)] == [one]


async def test_a_segment_whose_owner_died_gets_its_manifest(archive, objects):
    """It counts only from then on, and keeps the bytes that it has."""
    made = await archive.add("posts", 3, run(1, 2))
    await objects.delete([manifest_key("posts", 3, at(1))])
    assert [each async for each in archive.manifests("posts", 3)] == []

    assert await archive.add("posts", 3, run(1, 2, 3, 4)) == made
    assert [each async for each in archive.manifests("posts", 3)] == [made]


async def test_a_segment_of_another_past_is_not_adopted(archive, objects):
    """One that stands at the right position and follows another entry stops whoever puts there."""
    await archive.add("posts", 3, run(5, 6, after=4))
    await objects.delete([manifest_key("posts", 3, at(5))])

    with pytest.raises(SegmentBroken, match="its after is 1767225600004-0, not 1767225600003-0"):
        await archive.add("posts", 3, run(5, 6, after=3))


async def test_a_large_segment_comes_back(archive):
    """Several MiB, of bytes that do not compress."""
    entries = run(*range(1, 400))
    entries = [(key, fields | {b"sealed": bytes(20_000)}) for key, fields in entries]
    made = await archive.add("posts", 3, entries)

    assert await archive.entries(made) == entries


async def test_what_is_damaged_is_named(archive, objects, add):
    """Truncated, changed, missing or exchanged bytes; a manifest that is none or is missing."""
    one, two, three = await add((1, 2), (3, 4), (5, 6))
    key = segment_key("posts", 3, at(3))
    data = await objects.read(key)

    async def put(key, content):
        await objects.delete([key])
        if content is not None:
            await objects.put_if_absent(key, content, "application/octet-stream")

    for content, reason in [
        (data[:-3], "bytes are stored, its manifest says"),
        (data[:-3] + b"123", "another hash"),
        (None, "it is missing"),
        (await objects.read(segment_key("posts", 3, at(5))), "its manifest says"),
    ]:
        await put(key, content)
        with pytest.raises(SegmentBroken, match=reason) as refusal:
            await archive.entries(two)
        assert refusal.value.segment == two.first
    assert await archive.entries(one)
    assert await archive.entries(three)

    for content in (b"{", msgspec.json.encode(three)):
        await put(manifest_key("posts", 3, at(3)), content)
        with pytest.raises(SegmentBroken, match=r"Segment 1767225600003-0 of posts\.3"):
            _ = [each async for each in archive.manifests("posts", 3)]


def test_the_order_of_names_is_that_of_positions():
    positions = [Position(9, 0), Position(10, 2), Position(10, 10), Position(2**62, 0)]

    assert sorted(map(padded, positions)) == list(map(padded, positions))
