from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.exploring import examples
from tests.workers.drawing import NAMES, histories, orders
from tests.workers.histories import (
    assert_counted,
    assert_fed,
    dump,
    forget,
    new_site,
    open_windows,
    settle,
    settle_aloud,
)

bounded = settings(max_examples=examples(25))


@bounded
@given(data=st.data())
async def test_any_order_of_arrival_adds_up_to_the_same_tables_and_feeds(
    data, database, log_client, cache_client
):
    """However a history is shuffled, repeated, cut into batches and brought up again later.

    Every row ends the same, every counter counts, every window holds all that is above its floor.
    """
    site = new_site(database, log_client, cache_client)
    history = data.draw(histories(least=12))
    people = [each.actor for each in history[: len(NAMES)]]

    await begin_anew(site, people)
    await settle(site, [[each] for each in history])
    in_order = await dump(site)
    assert_counted(in_order)
    await assert_fed(site, in_order)

    await begin_anew(site, people)
    await settle(site, data.draw(orders(history)))
    assert await dump(site) == in_order
    await assert_fed(site, in_order)

    old = [each for each in history if data.draw(st.booleans())]
    await settle(site, data.draw(orders(old)))
    assert await dump(site) == in_order
    await assert_fed(site, in_order)


async def begin_anew(site, people):
    await forget(site)
    await site.feeds._cache.flushdb()
    await open_windows(site, people)


@bounded
@given(data=st.data())
async def test_whoever_ends_public_is_followed_by_all_who_wish(
    data, database, log_client, cache_client
):
    """In any order, no standing wish is left waiting at the door of a public account."""
    site = new_site(database, log_client, cache_client)
    history = data.draw(histories(kinds=("edit", "wish", "withdraw")))

    await log_client.flushall()
    await forget(site)
    await settle_aloud(site, data.draw(orders(history)))

    tables = await dump(site)
    assert_counted(tables)
    private = {row["id"] for row in tables["accounts"] if row["private"]}
    for row in tables["following"]:
        if row["followee_id"] not in private:
            assert row["holds"] == row["wish"]
        assert row["wish"] or not row["holds"]
