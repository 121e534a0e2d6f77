"""The account as the API shows it, and the rules for reading one, row or no row yet."""

from typing import Literal

import msgspec
from aiohttp import web

from events.accounts import AccountRegistered
from events.envelope import Delivery
from events.ids import Address, created_ms, position_of, shard_of
from gateway.answers import rfc3339
from gateway.keys import LOG, NOTICES, SETTINGS
from gateway.metadata import account_named
from gateway.visibility import heard_edge, is_private
from runtime.errors import Forbidden
from stores.accounts import STRANGERS, AccountRow, Relation, account_by_username
from stores.database import Database
from stores.follows import holds


class Counts(msgspec.Struct, frozen=True):
    posts: int
    followers: int
    following: int


class Standing(msgspec.Struct, frozen=True):
    """How the viewer and the account stand to each other."""

    following: Literal["yes", "no", "requested"]
    followed_by: bool
    blocking: bool = False
    muting: bool = False


class Account(msgspec.Struct, frozen=True):
    """An account as one viewer sees it."""

    id: str
    username: str
    display_name: str
    bio: str
    avatar: str | None
    private: bool
    created_at: str
    counts: Counts
    viewer: Standing


def account_of(row: AccountRow, relation: Relation = STRANGERS) -> Account:
    """A row as the API shows it."""
    return Account(
        id=str(row.id),
        username=row.username,
        display_name=row.display_name,
        bio=row.bio,
        avatar=None,
        private=row.private,
        created_at=rfc3339(created_ms(row.id)),
        counts=Counts(row.posts, row.followers, row.following),
        viewer=Standing(relation.following, relation.followed_by),
    )


async def profile_named(request: web.Request, db: Database, username: str) -> AccountRow:
    """The account of a name, from its registration in the log while there is no row yet."""
    row = await account_by_username(db, username)
    if row is None:
        row = await just_registered(request, await account_named(request, username))
    return row


async def just_registered(request: web.Request, account_id: int) -> AccountRow:
    """The row an account is about to have."""
    delivery = await registration_of(request, account_id)
    return registered_row(account_id, delivery.event)


async def registration_of(request: web.Request, account_id: int) -> Delivery[AccountRegistered]:
    """The event that opened the account, at the account id's own position."""
    partition = shard_of(account_id) % request.app[SETTINGS].partitions
    address = Address(AccountRegistered.TOPIC, partition, position_of(account_id))
    delivery = await request.app[LOG].event_at(address)
    if delivery is None or not isinstance(delivery.event, AccountRegistered):
        raise Forbidden("account-erased", "The account is no longer there.")
    return delivery


def registered_row(account_id: int, event: AccountRegistered) -> AccountRow:
    return AccountRow(
        id=account_id,
        username=event.username,
        display_name=event.display_name,
        display_name_version=account_id,
        bio="",
        bio_version=0,
        private=False,
        private_version=0,
        posts=0,
        followers=0,
        following=0,
    )


async def refuse_unless_shown_to(
    request: web.Request, db: Database, viewer_id: int, row: AccountRow
) -> None:
    """Lists of a private account are for itself and those whose wish it accepted."""
    notices = request.app[NOTICES]
    if viewer_id == row.id or not is_private(notices, row):
        return
    # A withdrawal counts when it is heard: its row may be long behind.
    withdrawn = heard_edge(notices, viewer_id, row.id) is False
    if withdrawn or not await holds(db, viewer_id, row.id):
        raise Forbidden("private-account", "Only accepted followers see this.")
