"""Role `accounts`: folds who is here and what they say of themselves into the table `accounts`."""

from collections.abc import Collection, Sequence

from msgspec import UNSET

from events.accounts import AccountErased, AccountRegistered, PasswordChanged, ProfileEdited
from events.envelope import Delivery
from stores import erasures, profiles
from stores.database import transaction
from stores.folding import fold
from stores.profiles import NewAccount
from workers.site import Folding


async def open_accounts(
    site: Folding, batch: Sequence[Delivery[AccountRegistered]]
) -> Collection[Delivery[AccountRegistered]]:
    """Write each account's row, and copy its wrapped key; an erased account has none left.

    A key may be destroyed while it is copied, and the copy of it before there is one: so the log
    is asked again afterwards.
    """
    registrations = fold(batch, key=lambda each: each.id)
    account_ids = [each.id for each in registrations]
    found = await site.log.wrapped_keys(account_ids)
    async with transaction(site.database) as db:
        await profiles.add_accounts(db, [_row_of(each) for each in registrations])
        wrapped = {account_id: key for account_id, key in found.items() if key is not None}
        await profiles.add_account_keys(db, wrapped)
    still = await site.log.wrapped_keys(list(wrapped))
    if gone := [account_id for account_id, key in still.items() if key is None]:
        await erasures.destroy_account_keys(site.database, gone)
    return ()


def _row_of(registration: Delivery[AccountRegistered]) -> NewAccount:
    event = registration.event
    return NewAccount(registration.id, event.username, event.display_name, event.password_hash)


async def edit_profiles(
    site: Folding, batch: Sequence[Delivery[ProfileEdited]]
) -> Collection[Delivery[ProfileEdited]]:
    """Set the registers each event names, each by the highest event that names it."""
    async with transaction(site.database) as db:
        known = await profiles.lock_accounts(db, {each.actor for each in batch})
        ready = [each for each in batch if each.actor in known]
        await profiles.set_display_names(
            db,
            [
                (each.actor, each.id, name)
                for each in _winners(ready, "display_name")
                if (name := each.event.display_name) is not UNSET
            ],
        )
        await profiles.set_bios(
            db,
            [
                (each.actor, each.id, bio)
                for each in _winners(ready, "bio")
                if (bio := each.event.bio) is not UNSET
            ],
        )
        await profiles.set_privacy(
            db,
            [
                (each.actor, each.id, private)
                for each in _winners(ready, "private")
                if (private := each.event.private) is not UNSET
            ],
        )
    return [each for each in batch if each.actor not in known]


def _winners(
    batch: Sequence[Delivery[ProfileEdited]], register: str
) -> list[Delivery[ProfileEdited]]:
    naming = (each for each in batch if getattr(each.event, register) is not UNSET)
    return fold(naming, key=lambda each: each.actor)


async def change_passwords(
    site: Folding, batch: Sequence[Delivery[PasswordChanged]]
) -> Collection[Delivery[PasswordChanged]]:
    """Keep the hash of the latest password."""
    async with transaction(site.database) as db:
        known = await profiles.lock_accounts(db, {each.actor for each in batch})
        winners = fold((e for e in batch if e.actor in known), key=lambda each: each.actor)
        await profiles.set_password_hashes(
            db, [(each.actor, each.id, each.event.password_hash) for each in winners]
        )
    return [each for each in batch if each.actor not in known]


async def erase_accounts(
    site: Folding, batch: Sequence[Delivery[AccountErased]]
) -> Collection[Delivery[AccountErased]]:
    """Leave the reserved name alone of each account, and destroy the copy of its key."""
    async with transaction(site.database) as db:
        known = await profiles.lock_accounts(db, {each.actor for each in batch})
        ready = {each.actor: each.id for each in batch if each.actor in known}
        await erasures.erase_accounts(db, ready)
        await erasures.destroy_account_keys(db, ready)
    return [each for each in batch if each.actor not in known]
