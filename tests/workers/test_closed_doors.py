"""Who closes a door before somebody knocks is asked first, however late the row is written."""

import pytest

from events.accounts import AccountRegistered, ProfileEdited
from events.claims import ensure_group
from events.graph import FollowAccepted, FollowRequested
from events.ids import shard_of
from events.log import stream_key
from tests.workers.histories import HANDLERS, announcements, new_site
from workers.graph import open_doors, record_wishes

HANDLER_OF = {kind: handler for kind, handler in HANDLERS if handler is not open_doors}


@pytest.fixture
async def site(database, log_client, cache_client):
    return new_site(database, log_client, cache_client)


async def recorded(site, event, actor):
    """In the log; nobody has heard it yet."""
    appended = await site.log.append(event, actor=actor)
    return await site.log.event_at(appended.address)


async def member(site, username):
    """Registered, and written by the role `accounts`, which has nothing left to do."""
    appended = await site.log.register(AccountRegistered(username=username))
    delivery = await site.log.event_at(appended.address)
    await accounts_write(site, delivery)
    return appended.id


async def yeses(site):
    """Which wishes were accepted, in the log."""
    said = [each.event for each in await announcements(site.log)]
    return [each.wish_version for each in said if isinstance(each, FollowAccepted)]


async def accounts_write(site, delivery):
    """What the role `accounts` does with its next entry."""
    await HANDLER_OF[type(delivery.event)](site, [delivery])
    stream = stream_key("accounts", shard_of(delivery.actor) % site.log.partitions)
    await ensure_group(site.log.client, stream, "accounts")
    await site.log.client.xgroup_setid(stream, "accounts", str(delivery.position))


async def test_a_wish_is_judged_by_what_was_said_before_it(site):
    """Ada goes private; her row does not say so yet; Bob has to ask."""
    ada, bob = await member(site, "ada"), await member(site, "bob")
    closing = await recorded(site, ProfileEdited(private=True), ada)
    wish = await recorded(site, FollowRequested(followee_id=ada), bob)

    assert await record_wishes(site, [wish]) == [wish]
    await accounts_write(site, closing)

    assert await record_wishes(site, [wish]) == []
    assert await yeses(site) == []


async def test_a_wish_that_waited_for_the_row_is_accepted_where_the_door_stands_open(site):
    ada, bob = await member(site, "ada"), await member(site, "bob")
    edit = await recorded(site, ProfileEdited(bio="new"), ada)
    wish = await recorded(site, FollowRequested(followee_id=ada), bob)

    assert await record_wishes(site, [wish]) == [wish]
    await accounts_write(site, edit)

    assert await record_wishes(site, [wish]) == []
    assert await yeses(site) == [wish.id]


async def test_an_opening_lets_nobody_in_who_came_after_the_closing(site):
    """Ada opens and closes; her row knows of the opening alone; Bob came last, and has to ask."""
    ada, bob = await member(site, "ada"), await member(site, "bob")
    opening = await recorded(site, ProfileEdited(private=False), ada)
    closing = await recorded(site, ProfileEdited(private=True), ada)
    wish = await recorded(site, FollowRequested(followee_id=ada), bob)
    await accounts_write(site, opening)
    assert await record_wishes(site, [wish]) == [wish]

    assert await open_doors(site, [opening]) == []
    await accounts_write(site, closing)

    assert await record_wishes(site, [wish]) == []
    assert await yeses(site) == []


async def test_an_opening_lets_in_who_waited_before_it(site):
    """Whatever else is not yet written by then."""
    ada, bob = await member(site, "ada"), await member(site, "bob")
    await accounts_write(site, await recorded(site, ProfileEdited(private=True), ada))
    wish = await recorded(site, FollowRequested(followee_id=ada), bob)
    assert await record_wishes(site, [wish]) == []
    opening = await recorded(site, ProfileEdited(private=False), ada)
    await accounts_write(site, opening)
    await recorded(site, ProfileEdited(bio="new"), ada)

    assert await open_doors(site, [opening]) == []

    assert await yeses(site) == [wish.id]
