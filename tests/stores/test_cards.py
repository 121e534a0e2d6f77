"""What cards promise: found near, not older than a notice, there when an engine is not."""

import asyncio

import msgspec
import pytest

from events.accounts import ProfileEdited
from events.envelope import Delivery
from events.ids import EPOCH_MS, Position, make_id, shard_of
from events.posts import PostDeleted
from runtime.connections import open_cache, open_database
from runtime.errors import Unavailable
from stores import cards as cards_module
from stores import publications
from stores.cards import Cards
from stores.lru import OVERHEAD_BYTES, Lru
from stores.profiles import NewAccount, add_accounts
from stores.publications import Publication, Submission

NOW = EPOCH_MS + 30_000_000_000
ADA = make_id(Position(NOW, 1), 500)
POST = make_id(Position(NOW, 2), 500)


@pytest.fixture
async def cards(cache_client, reader_database, database):
    await add_accounts(database, [NewAccount(ADA, "ada", 'Ada "A" Ł', "")])
    made = Cards(cache_client, reader_database)
    yield made
    await made.close()


@pytest.fixture
def reads(monkeypatch):
    """How often Postgres was asked for posts and for authors."""
    counted = {"posts": 0, "authors": 0}

    def count(name):
        original = getattr(cards_module, f"read_{name}")

        async def counting(db, ids):
            counted[name] += 1
            return await original(db, ids)

        return counting

    for name in counted:
        monkeypatch.setattr(cards_module, f"read_{name}", count(name))
    return counted


async def submit(database, caption="Hi"):
    await publications.write_submissions(
        database, [Submission(POST, ADA, caption, '["An \\"alt\\""]', None, None)]
    )


async def publish(database):
    photos = (
        '[{"sha256": "ab", "size_bytes": 9, "width": 4, "height": 3, "placeholder": "p",'
        '"recipe": "r", "renditions": [{"width": 4, "height": 3, "extension": "jpg",'
        '"size_bytes": 5}]}]'
    )
    await publications.write_publications(
        database, [Publication(POST, ADA, NOW + 5, make_id(Position(NOW + 5, 0), 500), photos)]
    )


async def rename(database, name, version):
    await database.execute(
        "UPDATE accounts SET display_name = $1, display_name_version = $2", name, version
    )


def notice(event, ms):
    return Delivery(
        event=event,
        topic=event.TOPIC,
        partition=shard_of(ADA) % 8,
        position=Position(NOW + ms, 0),
        actor=ADA,
        time=NOW,
    )


async def test_a_card_is_json_in_pieces(cards, database):
    """Put together, with addresses between, the fragments are valid JSON with the row's words."""
    await submit(database, caption='A "caption" \n Ł')
    await publish(database)
    post, author = (await cards.posts([POST]))[POST], (await cards.authors([ADA]))[ADA]

    photo = post.photos[0]
    whole = b"".join(
        (
            post.before_author,
            author.fragment,
            post.before_photos,
            photo.before_renditions,
            photo.renditions[0].before_url,
            b'"}]}]}',
        )
    )
    shown = msgspec.json.decode(whole)
    assert shown["caption"] == 'A "caption" \n Ł'
    assert shown["author"]["display_name"] == 'Ada "A" Ł'
    assert shown["photos"][0]["alt"] == 'An "alt"'
    assert shown["photos"][0]["renditions"][0]["type"] == "image/jpeg"
    assert shown["published_at"].endswith(".005Z")


async def test_what_was_read_once_is_near(cards, cache_client, reader_database, database, reads):
    """First Postgres, then memory; another process finds it in the cache."""
    reads_of_another = reads
    first = Cards(cache_client, reader_database)
    await submit(database)
    await publish(database)
    for _ in range(2):
        assert POST in await first.posts([POST, 1])
        assert ADA in await first.authors([ADA])
    assert reads["authors"] == 1

    before = reads_of_another["posts"]
    assert POST in await Cards(cache_client, reader_database).posts([POST])
    assert reads["posts"] == before


async def test_an_unfinished_post_is_read_again(cards, database):
    """Processing, or published before its caption was folded: nothing of that is kept."""
    assert await cards.posts([POST]) == {}
    await publish(database)
    assert b'"caption":""' in (await cards.posts([POST]))[POST].before_photos
    await submit(database)
    assert b'"caption":"Hi"' in (await cards.posts([POST]))[POST].before_photos


async def test_no_card_older_than_a_notice_is_kept(cards, cache_client, reader_database, database):
    """Until the row has the edit it is read each time, by every process; then it is kept."""
    assert b"Ada" in (await cards.authors([ADA]))[ADA].fragment
    other = Cards(cache_client, reader_database)
    await other.authors([ADA])
    heard = notice(ProfileEdited(display_name="Eve"), ms=9)
    cards.hear(heard)
    other.hear(heard)
    assert b"Ada" in (await cards.authors([ADA]))[ADA].fragment

    await rename(database, "Eve", heard.id)
    for each in (cards, other, cards):
        assert b"Eve" in (await each.authors([ADA]))[ADA].fragment
    await other.close()


async def test_a_deleted_post_is_known_as_deleted(cards, database):
    """As soon as the row says so; a notice before the row makes the row be asked."""
    await submit(database)
    await publish(database)
    assert (await cards.posts([POST]))[POST].state.name == "PUBLISHED"
    cards.hear(notice(PostDeleted(post_id=POST), ms=9))
    assert (await cards.posts([POST]))[POST].state.name == "PUBLISHED"
    await publications.write_deletions(database, [POST])
    for _ in range(2):
        assert (await cards.posts([POST]))[POST].state.name == "DELETED"


async def test_a_notice_during_a_write_wins(cards, cache_client, database, monkeypatch):
    """A card read before an edit and written to the cache after it does not stay there."""
    original = cards_module.read_authors
    heard = notice(ProfileEdited(display_name="Eve"), ms=9)

    async def slowly(db, ids):
        found = await original(db, ids)
        cards.hear(heard)
        return found

    monkeypatch.setattr(cards._authors, "_read", slowly)
    await cards.authors([ADA])
    monkeypatch.setattr(cards._authors, "_read", original)

    await rename(database, "Eve", heard.id)
    assert b"Eve" in (await cards.authors([ADA]))[ADA].fragment


async def test_without_postgres_an_old_card_is_better_than_none(
    cards, cache_client, settings, tmp_path
):
    """What is in memory or in the cache serves, declared; what is nowhere is `Unavailable`."""
    await cards.authors([ADA])
    gone = settings.replace(database_reader_url=f"postgresql:///x?host={tmp_path}")
    async with await open_database(gone, reader=True) as database:
        away = Cards(cache_client, database)
        assert ADA in await away.authors([ADA])
        away.hear(notice(ProfileEdited(private=True), ms=9))
        found, complete = await away.authors_in_reach([ADA])
        assert ADA in found
        assert not complete
        with pytest.raises(Unavailable):
            await away.posts([POST])
        assert await away.posts_in_reach([POST]) == ({}, False)
        await away.close()


async def test_without_the_cache_postgres_serves(cards, settings, reader_database):
    """Two lives of a cache that is not there cost no error."""
    gone = settings.replace(cache_url="unix:///tmp/no-such-heliograph.sock")
    async with open_cache(gone) as cache:
        alone = Cards(cache, reader_database)
        assert ADA in await alone.authors([ADA])
        alone.hear(notice(ProfileEdited(private=True), ms=9))
        await asyncio.wait_for(alone.close(), 2)


async def test_what_the_cache_holds_under_our_name_is_not_believed(cards, cache_client):
    """Bytes that are no card are read again from Postgres."""
    await cards.authors([ADA])
    (key,) = await cache_client.keys("author:*")
    await cache_client.set(key, b"nonsense")
    assert ADA in await Cards(cache_client, cards._authors._database).authors([ADA])


def test_memory_is_bounded_in_bytes():
    """What is asked for stays, what nobody asks for goes, and never more than the bound is held."""
    memory = Lru(20 * (OVERHEAD_BYTES + 10))
    for key in range(1_000):
        memory.put(key, str(key), 10)
        memory.put(key, "again", 10)
        assert memory.get(0) == "again"
        assert len(memory) <= 20
    assert memory.get(999) == "again"
    assert memory.get(5) is None
    memory.drop(999)
    assert memory.get(999) is None
