"""What is folded in any order is not taken for all there is: a card waits for every part."""

import pytest

from events.accounts import ProfileEdited
from events.envelope import Delivery
from events.ids import EPOCH_MS, Position, make_id, shard_of
from events.posts import PostDeleted
from stores import publications
from stores.cards import Cards
from stores.profiles import NewAccount, add_accounts
from stores.publications import Publication, Submission

NOW = EPOCH_MS + 30_000_000_000
ADA = make_id(Position(NOW, 1), 500)
POST = make_id(Position(NOW, 2), 500)


@pytest.fixture
async def cards(cache_client, reader_database, database):
    await add_accounts(database, [NewAccount(ADA, "ada", "Ada", "")])
    made = Cards(cache_client, reader_database)
    yield made
    await made.close()


def notice(event, ms):
    return Delivery(
        event=event,
        topic=event.TOPIC,
        partition=shard_of(ADA) % 8,
        position=Position(NOW + ms, 0),
        actor=ADA,
        time=NOW,
    )


async def test_private_is_not_shadowed_by_a_later_bio(
    cards, cache_client, reader_database, database
):
    """With the bio folded first no card stays that calls her public, here or in the cache.

    Not even once the notices are gone: another gateway never heard them.
    """
    private, bio = notice(ProfileEdited(private=True), 8), notice(ProfileEdited(bio="sun"), 9)
    for each in (private, bio):
        cards.hear(each)
    await database.execute("UPDATE accounts SET bio = 'sun', bio_version = $1", bio.id)
    assert not (await cards.authors([ADA]))[ADA].private

    await database.execute("UPDATE accounts SET private = true, private_version = $1", private.id)
    later = Cards(cache_client, reader_database)
    assert (await cards.authors([ADA]))[ADA].private
    assert (await later.authors([ADA]))[ADA].private
    await later.close()


async def test_a_deletion_is_not_shadowed_by_a_later_publication(
    cards, cache_client, reader_database, database
):
    """Deleted while it was rendered, and published before the deletion is folded: it stays gone."""
    await publications.write_submissions(
        database, [Submission(POST, ADA, "Hi", '["An alt"]', None, None)]
    )
    cards.hear(notice(PostDeleted(post_id=POST), 8))
    published = make_id(Position(NOW + 9, 0), shard_of(POST))
    await publications.write_publications(
        database, [Publication(POST, ADA, NOW + 9, published, "[]")]
    )
    assert (await cards.posts([POST]))[POST].state.name == "PUBLISHED"

    await publications.write_deletions(database, [POST])
    later = Cards(cache_client, reader_database)
    assert (await cards.posts([POST]))[POST].state.name == "DELETED"
    assert (await later.posts([POST]))[POST].state.name == "DELETED"
    await later.close()
