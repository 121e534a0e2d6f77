"""Dead letters say what went wrong, never what somebody said."""

import asyncpg
import pytest

from events.accounts import ProfileEdited
from events.delivering import Poison, attempt
from events.envelope import Delivery
from events.ids import Position
from events.posts import Place, PostSubmitted

WORDS = 'My grandmother\'s house, "the blue one"\nby the sea: ' + "so long a caption " * 9
ALT, PLACE = "Granny waving", Place(latitude=52.516275, longitude=13.377704)
POST = PostSubmitted(photos=(), caption=WORDS, alts=(ALT, ""), place=PLACE)


async def poison_of(event, handler):
    delivery = Delivery(
        event=event, topic="posts", partition=0, position=Position(1, 0), actor=7, time=1
    )
    [outcome] = await attempt(handler, None, [delivery])
    assert isinstance(outcome, Poison)
    return outcome


def raising(error):
    async def handler(_site, batch):
        raise error(batch[0].event)

    return handler


QUOTING = {
    "text": lambda event: ValueError(f"cannot store {event.caption}"),
    "repr": lambda event: ValueError(f"cannot store {event!r}"),
    "alt": lambda event: KeyError(event.alts[0]),
    "place": lambda event: ValueError(f"{event.place.latitude} is too far north"),
    "group": lambda event: ExceptionGroup("several", [ValueError(event.caption)]),
}


@pytest.mark.parametrize("quote", QUOTING)
async def test_no_sealed_word_is_in_a_letter(quote):
    """However an error quotes it, its reason and its trace have stars there instead."""
    outcome = await poison_of(POST, raising(QUOTING[quote]))

    for told in (outcome.reason, outcome.traceback):
        assert not any(word in told for word in ("grandmother", "Granny", "52.5162", "13.3777"))
    assert "***" in outcome.traceback
    assert "in handler\n" in outcome.traceback


async def test_what_led_to_it_is_concealed_too():
    """An error that was raised while another was handled tells of both."""

    async def handler(_site, batch):
        try:
            float(batch[0].event.caption)
        except ValueError as error:
            raise LookupError("gave up") from error

    outcome = await poison_of(POST, handler)
    assert outcome.reason == "LookupError: gave up"
    assert "grandmother" not in outcome.traceback
    assert "ValueError: could not convert string to float: '***'" in outcome.traceback


async def test_rows_that_postgres_quotes_are_left_out(database):
    """Its detail shows the whole row, others' registers too, each cut to where no word matches."""
    async with database.acquire() as connection:
        await connection.execute("CREATE TEMPORARY TABLE t (bio text, n integer CHECK (n > 0))")

        async def handler(_site, _batch):
            await connection.execute("INSERT INTO t VALUES ($1, 0)", WORDS)

        with pytest.raises(asyncpg.CheckViolationError, match="grandmother"):
            await handler(None, None)
        outcome = await poison_of(ProfileEdited(private=True), handler)

    assert "violates check constraint" in outcome.reason
    for told in (outcome.reason, outcome.traceback):
        assert "grandmother" not in told
