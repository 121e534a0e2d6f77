import itertools

import pytest

from events.ids import EPOCH_MS, Position, make_id, shard_of
from events.posts import (
    Place,
    PostDeleted,
    PostPublished,
    PostRejected,
    PostRerendered,
    PostSubmitted,
)
from stores.accounts import account_by_id
from stores.posts import PostState, post_rows
from tests.workers.histories import deliver, happened, new_site, registered, rendered, staged


@pytest.fixture
async def site(database, log_client, cache_client):
    return new_site(database, log_client, cache_client)


@pytest.fixture
async def ada(site):
    opened = registered("ada", 1)
    await deliver(site, opened)
    return opened.actor


def submitted(author, moment, **fields):
    return happened(PostSubmitted(photos=(staged(), staged("b")), **fields), author, moment)


def published(post, moment, photo="a"):
    event = PostPublished(post_id=post.id, photos=(rendered(photo),))
    return happened(event, post.actor, moment)


async def row_of(database, post_id):
    return (await post_rows(database, [post_id])).get(post_id)


async def test_what_its_author_wrote_stands_as_written(site, ada):
    """Caption, alternative texts and place arrive unharmed; missing texts read as empty."""
    post = submitted(
        ada,
        2,
        caption="☀ 'quoted' {braces}, \\",
        alts=('say "hi", {x}',),
        place=Place(latitude=52.5, longitude=13.4),
    )
    await deliver(site, post)

    row = await row_of(site.database, post.id)
    assert row.state is PostState.PROCESSING
    assert row.caption == "☀ 'quoted' {braces}, \\"
    assert row.alts == ('say "hi", {x}', "")
    assert (row.latitude, row.longitude) == (52.5, 13.4)
    assert (row.published_ms, row.photos) == (None, ())


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_a_deleted_post_stays_deleted(site, ada, order):
    """Submitted, published and deleted in any order: deleted, and the counter is back at 0."""
    post = submitted(ada, 2, caption="sun")
    gone = happened(PostDeleted(post_id=post.id), ada, 4)
    history = [post, published(post, 3), gone]

    leftover = [late for nth in order for late in await deliver(site, history[nth])]
    assert leftover in ([], [gone])
    assert not await deliver(site, *leftover)

    row = await row_of(site.database, post.id)
    assert (row.state, row.caption, row.photos) == (PostState.DELETED, "sun", (rendered(),))
    assert (await account_by_id(site.database, ada)).posts == 0


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_a_post_shows_the_latest_renditions_and_keeps_its_moment(site, ada, order):
    """Rendered anew before or after the rest is folded: the moment is that of the publication."""
    post = submitted(ada, 2, caption="sun")
    renewed = PostRerendered(post_id=post.id, photos=(rendered("a", "r2"),))
    later = PostRerendered(post_id=post.id, photos=(rendered("a", "r3"),))
    history = [
        post,
        published(post, 3),
        *(happened(each, ada, at) for each, at in ((renewed, 4), (later, 5))),
    ]

    for nth in (*order, *order):
        assert not await deliver(site, history[nth])

    row = await row_of(site.database, post.id)
    assert (row.state, row.caption, row.photos) == (PostState.PUBLISHED, "sun", later.photos)
    assert (row.published_ms, row.published_version) == (EPOCH_MS + 3, history[3].id)
    assert (await account_by_id(site.database, ada)).posts == 1


async def test_published_before_submitted(site, ada):
    """The photos come first, the caption joins them; it counts once."""
    post = submitted(ada, 2, caption="sun")

    await deliver(site, published(post, 3))
    early = await row_of(site.database, post.id)
    assert (early.state, early.caption_version) == (PostState.PUBLISHED, 0)

    await deliver(site, post)
    row = await row_of(site.database, post.id)
    assert (row.state, row.caption, row.photos) == (PostState.PUBLISHED, "sun", (rendered(),))
    assert (await account_by_id(site.database, ada)).posts == 1


@pytest.mark.parametrize("batches", [((0, 1),), ((1, 0),), ((0,), (1,)), ((1,), (0,), (0, 1))])
async def test_published_twice_keeps_the_first_moment_and_the_last_photos(site, ada, batches):
    """A second publication changes what is shown, not where it stands in feeds."""
    post = submitted(ada, 2)
    twice = [published(post, 3, "a"), published(post, 4, "b")]
    await deliver(site, post)
    for batch in batches:
        await deliver(site, *[twice[nth] for nth in batch])

    row = await row_of(site.database, post.id)
    assert row.published_ms == EPOCH_MS + 3
    assert (row.published_version, row.photos) == (twice[1].id, (rendered("b"),))
    assert (await account_by_id(site.database, ada)).posts == 1


@pytest.mark.parametrize("swapped", [False, True])
async def test_a_published_post_cannot_be_rejected(site, ada, swapped):
    """Published is the higher rung, whichever is told first."""
    post = submitted(ada, 2)
    told = published(post, 4)
    refusal = happened(PostRejected(post_id=post.id, code="bomb", detail="Too large."), ada, 3)
    for each in [post, *([told, refusal] if swapped else [refusal, told])]:
        await deliver(site, each)

    assert (await row_of(site.database, post.id)).state is PostState.PUBLISHED
    assert (await account_by_id(site.database, ada)).posts == 1


@pytest.mark.parametrize("swapped", [False, True])
async def test_a_rejected_post_tells_its_latest_reason(site, ada, swapped):
    """Of two reasons the later event's is kept, and the row may come before its submission."""
    post = submitted(ada, 2)
    reasons = [
        happened(PostRejected(post_id=post.id, code=code, detail=f"{code}."), ada, at)
        for at, code in [(3, "first"), (4, "second")]
    ]
    for each in [*(reversed(reasons) if swapped else reasons), post]:
        await deliver(site, each)

    row = await row_of(site.database, post.id)
    assert (row.state, row.problem_code) == (PostState.REJECTED, "second")
    assert (row.problem_detail, row.caption_version) == ("second.", post.id)


async def test_nobody_deletes_anothers_post(site, ada):
    """A deletion by somebody else is done without effect, even from the author's own shard."""
    post = submitted(ada, 2)
    bob = registered("bob", 3)
    namesake = make_id(Position(EPOCH_MS + 4, 0), shard_of(ada))
    await deliver(site, bob, post, published(post, 5))

    forged = [happened(PostDeleted(post_id=post.id), who, 6) for who in (bob.actor, namesake)]
    assert not await deliver(site, *forged)

    assert (await row_of(site.database, post.id)).state is PostState.PUBLISHED
    assert (await account_by_id(site.database, ada)).posts == 1


async def test_a_post_waits_for_its_author(site, ada):
    """What comes before the author's row is handed back; the others of the batch are done."""
    bob = registered("bob", 2)
    early, ready = submitted(bob.actor, 3), submitted(ada, 4)
    proclaimed = published(early, 5)

    assert await deliver(site, early, ready, proclaimed) == [proclaimed, early]
    assert await row_of(site.database, ready.id)

    assert not await deliver(site, bob)
    assert not await deliver(site, early, proclaimed)
    assert (await account_by_id(site.database, bob.actor)).posts == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_who_was_never_shown_a_post_is_not_told_of_it(site, ada, order):
    """Deleted while it was processed: in whatever order that is told, it was never published."""
    post = submitted(ada, 2)
    gone = [happened(PostDeleted(post_id=post.id), ada, at) for at in (4, 6)]
    history = [post, published(post, 5), *gone]

    leftover = [late for nth in order for late in await deliver(site, history[nth])]
    assert not await deliver(site, *leftover)

    row = await row_of(site.database, post.id)
    assert (row.state, row.published_ms) == (PostState.DELETED, None)


@pytest.mark.parametrize("batch", [False, True])
async def test_when_a_shown_post_was_published_stays_known(site, ada, batch):
    """A deletion after the publication, told before or after another, leaves the moment."""
    post = submitted(ada, 2)
    gone = [happened(PostDeleted(post_id=post.id), ada, at) for at in (4, 6)]
    await deliver(site, post, published(post, 3))
    for each in [gone] if batch else [gone[1:], gone[:1]]:
        await deliver(site, *each)
    row = await row_of(site.database, post.id)
    assert (row.state, row.published_ms) == (PostState.DELETED, EPOCH_MS + 3)
