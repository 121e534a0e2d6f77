import pytest

from events.accounts import ProfileEdited
from events.graph import FollowAccepted, FollowRequested
from stores.accounts import (
    STRANGERS,
    Relation,
    account_by_id,
    account_by_username,
    accounts_by_ids,
    credentials_of,
    viewer_relations,
)
from tests.workers.histories import deliver, happened, new_site, registered

ADA, BOB, CYD = (registered(name, at, password_hash=name) for at, name in enumerate("abc", 1))
NOBODY = registered("nobody", 9)


@pytest.fixture
async def site(database, log_client, cache_client):
    site = new_site(database, log_client, cache_client)
    await deliver(site, ADA, BOB, CYD)
    return site


async def test_accounts_are_found_by_name_and_by_id(site, reader_database):
    """Names are case-folded, and the read-only role of gateways may ask."""
    row = await account_by_username(reader_database, "A")

    assert row.id == ADA.actor
    assert row == await account_by_id(reader_database, ADA.actor)
    assert await account_by_username(reader_database, "nobody") is None
    assert await account_by_id(reader_database, NOBODY.actor) is None
    found = await accounts_by_ids(reader_database, [CYD.actor, NOBODY.actor, ADA.actor])
    assert {each: row.username for each, row in found.items()} == {ADA.actor: "a", CYD.actor: "c"}
    assert await accounts_by_ids(reader_database, []) == {}


async def test_credentials_are_found_by_name(site, reader_database):
    """What signing in needs, and nothing for a name that nobody has."""
    assert await credentials_of(reader_database, "B") == (BOB.actor, "b", BOB.id)
    assert await credentials_of(reader_database, "nobody") is None


async def test_a_viewer_sees_how_they_stand_to_each_account(site, reader_database):
    """Following, asked and not answered, followed by, and strangers; also for unknown ids."""
    wish = happened(FollowRequested(followee_id=BOB.actor), ADA.actor, 11)
    yes = FollowAccepted(follower_id=ADA.actor, wish_version=wish.id)
    await deliver(site, wish, happened(yes, BOB.actor, 12))
    await deliver(site, happened(ProfileEdited(private=True), CYD.actor, 13))
    await deliver(site, happened(FollowRequested(followee_id=CYD.actor), ADA.actor, 14))

    asked = [BOB.actor, CYD.actor, NOBODY.actor]
    assert await viewer_relations(reader_database, ADA.actor, asked) == {
        BOB.actor: Relation("yes", followed_by=False),
        CYD.actor: Relation("requested", followed_by=False),
        NOBODY.actor: STRANGERS,
    }
    assert await viewer_relations(reader_database, BOB.actor, [ADA.actor]) == {
        ADA.actor: Relation("no", followed_by=True)
    }
    assert await viewer_relations(reader_database, CYD.actor, [ADA.actor]) == {ADA.actor: STRANGERS}
