"""Everything that is appended is archived, once and in order, whoever archives and dies."""

import pytest

from events.accounts import AccountRegistered
from events.ids import shard_of
from events.log import stream_key
from events.posts import PostDeleted
from events.trimming import archived, record_archived
from stores.archive import manifest_key
from tests.archiving import at, run
from workers.archiving import Keeper, owner_key

STREAM = stream_key("posts", 3)
ALL = list(range(1, 13))


async def test_what_is_appended_is_archived(log, keeper, append, kept):
    """Once, whatever else is appended later; and the log knows how far."""
    one = keeper()
    await append(*run(1, 2))
    assert not await one.step()
    await append(*run(3, 4, after=2))
    await one.step()
    await one.step()

    assert await kept() == [[1, 2], [3, 4]]
    assert await archived(log, "posts", 3) == at(4)
    assert await archived(log, "graph", 3) is None


async def test_a_backlog_is_archived_a_segment_at_a_time(keeper, append, kept, small_segments):
    """Of bounded size, so that whoever reads them needs little memory."""
    one = keeper()
    await append(*run(*ALL))

    assert [await one.step() for _ in range(5)] == [True, True, True, True, False]
    assert await kept() == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]]


async def test_entries_wait_a_little_for_others(log, library):
    """Until the oldest is so and so old; then all that came since goes with it."""
    ada = (await log.register(AccountRegistered(username="ada"))).id
    partition = shard_of(ada) % 8
    patient = Keeper(library, partition, lease_seconds=60, seal_seconds=3600)
    for post_id in (1, 2):
        last = await log.append(PostDeleted(post_id=post_id), actor=ada)

    await patient.step()
    assert await archived(log, "posts", partition) is None
    assert patient.shelves["posts"].waits_since > 0

    await patient.leave()
    await Keeper(library, partition, lease_seconds=60, seal_seconds=0).step()
    assert await archived(log, "posts", partition) == last.position


async def test_one_owner_at_a_time(keeper, append, kept):
    """The second does nothing while the first is alive, and goes on where that one left."""
    one, other = keeper(), keeper()
    await append(*run(1, 2))
    await one.step()
    await append(*run(3, 4, after=2))
    await other.step()
    assert await kept() == [[1, 2]]

    await one.leave()
    await other.step()
    assert await kept() == [[1, 2], [3, 4]]


async def test_a_frozen_owner_that_comes_back_does_no_harm(log, keeper, append, kept):
    """It still believes to own what another has archived meanwhile, in other segments."""
    frozen, other = keeper(), keeper()
    await append(*run(1, 2))
    await frozen.step()
    await log.client.delete(owner_key(3))
    await append(*run(3, 4, after=2))
    await other.step()
    await append(*run(5, 6, after=4))

    await frozen.step()
    assert await kept() == [[1, 2], [3, 4]]
    await frozen.step()
    await other.step()
    assert await kept() == [[1, 2], [3, 4], [5, 6]]
    assert await archived(log, "posts", 3) == at(6)


async def test_a_death_between_segment_and_manifest_is_made_good(
    log, keeper, append, kept, archive, objects
):
    """The segment that stands is adopted, though more could be in it by now."""
    await archive.add("posts", 3, run(1, 2))
    await objects.delete([manifest_key("posts", 3, at(1))])
    await append(*run(1, 2, 3))

    one = keeper()
    await one.step()
    await one.step()
    assert await kept() == [[1, 2], [3]]


async def test_a_death_before_the_log_is_told_is_made_good(log, keeper, append, archive):
    """Whoever comes next believes the manifests, and tells the log."""
    await append(*run(1, 2))
    await archive.add("posts", 3, run(1, 2))

    await keeper().step()
    assert await archived(log, "posts", 3) == at(2)


async def test_a_log_that_knows_too_much_is_set_back(log, keeper, append, archive):
    """Segments were lost: what is still in the stream is archived again, and nothing trimmed."""
    await append(*run(*ALL))
    await archive.add("posts", 3, run(1, 2))
    await record_archived(log, "posts", 3, at(8))

    await keeper()._end_of("posts")
    assert await archived(log, "posts", 3) == at(2)


@pytest.mark.parametrize(
    ("entries", "reason", "sound"),
    [
        (run(3, 4, 5, after=2), "is missing", []),
        ([*run(1, 2), *run(5, 6, after=4)], "is missing", [1, 2]),
        ([*run(1, 2, 3), *run(7, after=2)], "is forked", [1, 2, 3]),
    ],
)
async def test_a_gap_stops_the_topic(keeper, append, kept, entries, reason, sound):
    """What stands before it is archived, nothing behind it ever is, and it is told."""
    one = keeper()
    await append(*entries)
    for _ in range(2):
        assert not await one.step()

    assert [moment for each in await kept() for moment in each] == sound
    assert reason in one.shelves["posts"].stopped
    assert one.shelves["accounts"].stopped == ""


async def test_a_deleted_end_stops_the_topic(keeper, append, log_client):
    """The head knows of an entry that is not there."""
    one = keeper()
    await append(*run(1, 2, 3))
    await log_client.xdel(STREAM, str(at(3)))
    await one.step()
    await one.step()

    assert "is missing: it was the last that was appended" in one.shelves["posts"].stopped


async def test_another_past_under_the_same_name_stops_the_topic(keeper, append, archive, objects):
    """A segment that stands where ours belongs and follows another entry is not adopted."""
    await archive.add("posts", 3, run(1, 2))
    await archive.add("posts", 3, run(4, 5, after=3))
    await objects.delete([manifest_key("posts", 3, at(4))])
    await append(*run(1, 2, 4))

    one = keeper()
    await one.step()
    assert "its after is 1767225600003-0, not 1767225600002-0" in one.shelves["posts"].stopped


async def test_a_log_begun_anew_on_an_old_archive_is_refused(keeper, append, archive, kept):
    """Its first entries follow nothing; they may not be taken for what followed."""
    await archive.add("posts", 3, run(1, 2))
    await append(*run(5, 6))

    one = keeper()
    await one.step()
    assert "is forked" in one.shelves["posts"].stopped
    assert await kept() == [[1, 2]]
