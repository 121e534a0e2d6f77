import pytest

from events.ids import EPOCH_MS
from events.posts import PostDeleted, PostPublished, PostSubmitted
from stores.posts import PostState, post_rows, posts_of_author
from tests.workers.histories import deliver, happened, new_site, registered, rendered, staged

ADA, BOB = registered("ada", 1), registered("bob", 2)


@pytest.fixture
async def site(database, log_client, cache_client):
    site = new_site(database, log_client, cache_client)
    await deliver(site, ADA, BOB)
    return site


async def post(site, author, moment, published_at=None, photo="a"):
    """Submit a post, publish it when a moment is given, and return its id."""
    submission = happened(PostSubmitted(photos=(staged(),)), author, moment)
    await deliver(site, submission)
    if published_at:
        event = PostPublished(post_id=submission.id, photos=(rendered(photo),))
        await deliver(site, happened(event, author, published_at))
    return submission.id


async def test_rows_carry_their_photos(site, reader_database):
    """Many posts in one question; those that have no row are missing."""
    first, second = await post(site, ADA.actor, 3, 4, "a"), await post(site, BOB.actor, 5, 6, "b")

    rows = await post_rows(reader_database, [first, second, 77])
    assert {each: row.photos for each, row in rows.items()} == {
        first: (rendered("a"),),
        second: (rendered("b"),),
    }
    assert rows[first].state is PostState.PUBLISHED


async def test_an_authors_list_pages_by_publication(site, reader_database):
    """Newest publication first, ties by id; neither processing nor deleted posts are in it."""
    late = await post(site, ADA.actor, 10, 40)
    tied = [await post(site, ADA.actor, at, 30) for at in (11, 12, 13)]
    gone = await post(site, ADA.actor, 14, 31)
    await post(site, ADA.actor, 15)
    await post(site, BOB.actor, 16, 32)
    await deliver(site, happened(PostDeleted(post_id=gone), ADA.actor, 50))
    expected = [(EPOCH_MS + 40, late), *((EPOCH_MS + 30, each) for each in reversed(tied))]

    assert await posts_of_author(reader_database, ADA.actor, None, 30) == expected

    paged, before = [], None
    while page := await posts_of_author(reader_database, ADA.actor, before, 1):
        paged += page
        before = page[-1]
    assert paged == expected
