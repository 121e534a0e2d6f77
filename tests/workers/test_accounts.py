import itertools

import pytest

from events.accounts import AccountRegistered, PasswordChanged, ProfileEdited
from stores.accounts import account_by_id, credentials_of
from tests.workers.histories import deliver, happened, new_site, registered


@pytest.fixture
def site(database, log_client, cache_client):
    return new_site(database, log_client, cache_client)


async def test_an_account_opens_with_its_key(site):
    """The row appears, and the wrapped key stands in the vault as it does in the log."""
    event = AccountRegistered(username="ada", display_name="Ada", password_hash="argon")
    opened = await site.log.register(event)
    delivery = await site.log.event_at(opened.address)

    assert not await deliver(site, delivery)
    assert not await deliver(site, delivery, delivery)

    row = await account_by_id(site.database, opened.id)
    assert (row.username, row.display_name, row.private) == ("ada", "Ada", False)
    kept = await site.database.fetch("SELECT account_id, wrapped FROM vault.account_keys")
    assert [tuple(each) for each in kept] == [(opened.id, await site.log.wrapped_key(opened.id))]


async def test_an_account_whose_key_is_destroyed_gets_none_in_the_vault(site):
    """A registration delivered after an erasure brings no key back."""
    await deliver(site, registered("ada", 1))

    assert await site.database.fetchval("SELECT count(*) FROM vault.account_keys") == 0


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("together", [False, True])
async def test_private_stays_on_behind_a_later_edit_of_the_bio(site, swapped, together):
    """`private: true` is its own register: a later bio that arrives first does not shadow it."""
    ada = registered("ada", 1)
    private = happened(ProfileEdited(private=True), ada.actor, 2)
    bio = happened(ProfileEdited(bio="sun"), ada.actor, 3)
    order = [bio, private] if swapped else [private, bio]
    await deliver(site, ada)

    for batch in [order] if together else [[each] for each in order]:
        assert not await deliver(site, *batch)

    row = await account_by_id(site.database, ada.actor)
    assert (row.private, row.private_version) == (True, private.id)
    assert (row.bio, row.bio_version) == ("sun", bio.id)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_the_latest_value_of_a_register_wins(site, order):
    """Whatever the order of arrival, and an emptied bio counts as a value."""
    ada = registered("ada", 1, display_name="first")
    edits = [
        happened(ProfileEdited(bio="sun", display_name="second"), ada.actor, 2),
        happened(ProfileEdited(bio="moon"), ada.actor, 3),
        happened(ProfileEdited(bio="", private=True), ada.actor, 4),
    ]
    await deliver(site, ada)
    await deliver(site, happened(ProfileEdited(private=False), ada.actor, 5))
    for nth in order:
        await deliver(site, edits[nth])

    row = await account_by_id(site.database, ada.actor)
    assert (row.display_name, row.bio, row.private) == ("second", "", False)


async def test_what_is_edited_before_it_is_opened_comes_later(site):
    """An edit whose account has no row yet is handed back, its neighbours are done."""
    ada, bob = registered("ada", 1), registered("bob", 2)
    edit_ada = happened(ProfileEdited(bio="sun"), ada.actor, 3)
    edit_bob = happened(ProfileEdited(bio="moon"), bob.actor, 4)
    change_bob = happened(PasswordChanged(password_hash="new"), bob.actor, 5)
    await deliver(site, ada)

    assert await deliver(site, edit_ada, edit_bob, change_bob) == [edit_bob, change_bob]
    assert (await account_by_id(site.database, ada.actor)).bio == "sun"

    await deliver(site, bob)
    assert not await deliver(site, edit_bob, change_bob)
    assert await credentials_of(site.database, "BOB") == (bob.actor, "new", change_bob.id)


async def test_an_older_password_never_comes_back(site):
    """A password changed twice stays the second, in one batch or in the wrong order."""
    ada = registered("ada", 1, password_hash="first")
    second = happened(PasswordChanged(password_hash="second"), ada.actor, 2)
    third = happened(PasswordChanged(password_hash="third"), ada.actor, 3)
    await deliver(site, ada)

    await deliver(site, third, second)
    await deliver(site, second)

    assert await credentials_of(site.database, "ada") == (ada.actor, "third", third.id)
