"""Nothing of an erased account stays in a gateway's memory, or comes back into the cache."""

import asyncio

import pytest

from events.accounts import AccountErased
from events.envelope import Delivery
from events.ids import EPOCH_MS, MAX_ID, Position, make_id, shard_of
from stores import erasures, publications
from stores.cards import Cards
from stores.posts import PostState
from stores.profiles import NewAccount, add_accounts
from stores.publications import Submission

NOW = EPOCH_MS + 30_000_000_000
ADA = make_id(Position(NOW, 1), 500)
POST = make_id(Position(NOW, 2), 500)
WORDS = b"a caption of hers"
ERASURE = Delivery(
    event=AccountErased(),
    topic="accounts",
    partition=shard_of(ADA) % 8,
    position=Position(NOW + 9, 0),
    actor=ADA,
    time=NOW,
)


@pytest.fixture
async def open_cards(cache_client, reader_database, database):
    await add_accounts(database, [NewAccount(ADA, "ada", "Ada of old", "")])
    caption = WORDS.decode()
    await publications.write_submissions(
        database, [Submission(POST, ADA, caption, "[]", None, None)]
    )
    await database.execute("UPDATE posts SET state = 21, published_ms = $1", NOW)
    opened = []

    def make():
        opened.append(Cards(cache_client, reader_database))
        return opened[-1]

    yield make
    for each in opened:
        await each.close()


@pytest.fixture
def cached(cache_client):
    """Everything in the cache, once what was begun to be forgotten is."""

    async def read(cards):
        await cards.close()
        keys = [each async for each in cache_client.scan_iter()]
        return b"".join([await cache_client.get(each) or b"" for each in keys])

    return read


async def test_a_heard_erasure_empties_memory_and_cache(open_cards, cached):
    """Before any row is written; that there was a post is known still, and needs no row."""
    cards = open_cards()
    assert WORDS in (await cards.posts([POST]))[POST].before_photos
    await cards.authors([ADA])
    assert WORDS in await cached(cards)
    cards.hear(ERASURE)

    assert WORDS not in await cached(cards)
    held, complete = await cards.posts_in_reach([POST])
    assert complete
    assert (held[POST].state, held[POST].before_photos) == (PostState.ERASED, b"")
    assert held[POST].versions == (MAX_ID, MAX_ID)


async def test_a_row_that_is_not_erased_yet_is_kept_nowhere(open_cards, cached):
    """Read again and again until it is, and only then put where others find it."""
    cards = open_cards()
    cards.hear(ERASURE)
    for _ in range(2):
        assert WORDS in (await cards.posts([POST]))[POST].before_photos
        assert b"Ada of old" in (await cards.authors([ADA]))[ADA].fragment
        assert await cached(cards) == b""


async def test_the_rows_of_an_erased_account_say_so(open_cards, cached, database):
    """To a gateway that heard of it, and to one that did not."""
    await erasures.erase_accounts(database, {ADA: ERASURE.id})
    await erasures.erase_posts(database, [POST])
    cards = open_cards()
    cards.hear(ERASURE)

    for each in (cards, open_cards()):
        author = (await each.authors([ADA]))[ADA]
        assert (author.erased, author.display_name, author.username) == (True, "", "ada")
        assert (await each.posts([POST]))[POST].state is PostState.ERASED
    assert b"ada" in await cached(cards)


async def test_a_card_that_is_just_being_written_does_not_stay(open_cards, cached, cache_client):
    """Its row was read, the erasure is heard, then the write comes through."""
    cards = open_cards()
    reading, write = asyncio.Event(), asyncio.Event()
    pipeline = cache_client.pipeline

    def slow(*arguments):
        opened = pipeline(*arguments)
        execute = opened.execute

        async def executing():
            reading.set()
            await write.wait()
            return await execute()

        opened.execute = executing
        return opened

    cache_client.pipeline = slow
    taking = asyncio.create_task(cards.posts([POST]))
    await reading.wait()
    cards.hear(ERASURE)
    write.set()
    await taking
    cache_client.pipeline = pipeline

    assert WORDS not in await cached(cards)
