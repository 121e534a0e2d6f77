"""The account as the API shows it, and the rules for reading one.

By its row or, while Postgres is away, its card; by its registration where there is no row yet.
"""

from typing import Literal

import msgspec
from aiohttp import web

from events.accounts import AccountRegistered
from events.envelope import Delivery
from events.history import is_trimmed
from events.ids import Address, created_ms, position_of, shard_of
from events.status import status_of
from gateway.answers import degrade, rfc3339
from gateway.keys import CARDS, LOG, NOTICES, SETTINGS
from gateway.metadata import account_named, metadata
from gateway.paths import unknown_account
from gateway.visibility import HELD, heard_edge, is_erased, is_private
from runtime.errors import Forbidden, Unavailable
from stores.accounts import STRANGERS, AccountRow, Relation, account_by_username
from stores.database import Database
from stores.follows import holds
from stores.fragments import AuthorCard

ROLE = "accounts"  # the group that folds registrations into rows


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


async def profile_named(request: web.Request, username: str) -> AccountRow:
    """The account of a name, from its registration in the log while there is no row yet."""
    async with metadata(request) as db:
        row = await account_by_username(db, username)
    if row is None:
        return await just_registered(request, await account_named(request, username))
    refuse_erased(request, row)
    return row


def refuse_erased(request: web.Request, account: AccountRow | AuthorCard) -> None:
    """To nobody is there an account of a name that is only reserved."""
    if is_erased(request.app[NOTICES], account):
        raise unknown_account()


async def profile_in_reach(request: web.Request, account_id: int) -> AccountRow:
    """What can be told of an account while Postgres is away; `Unavailable` when nothing can.

    The counts are those of when its card was written.
    """
    degrade(request, "metadata")
    authors, _ = await request.app[CARDS].authors_in_reach([account_id])
    card = authors.get(account_id)
    row = row_of(card) if card else await not_folded_yet(request, account_id)
    refuse_erased(request, row)
    return msgspec.structs.replace(row, private=is_private(request.app[NOTICES], row))


def relation_in_reach(request: web.Request, viewer_id: int, account_id: int) -> Relation:
    """How they stand to each other as far as was heard or read lately; else as strangers."""
    following = stands(request, viewer_id, account_id)
    edge = request.app[NOTICES].edge(viewer_id, account_id)
    asked = edge is not None and edge.wished_version > max(
        edge.withdrawn_version, edge.accepted_wish
    )
    return Relation(
        "yes" if following else "requested" if asked else "no",
        followed_by=stands(request, account_id, viewer_id),
    )


def stands(request: web.Request, follower_id: int, followee_id: int) -> bool:
    heard = heard_edge(request.app[NOTICES], follower_id, followee_id)
    if heard is None:
        return request.app[HELD].remembers(follower_id, followee_id)
    return heard


def row_of(card: AuthorCard) -> AccountRow:
    """The row that the card was written from, as far as anybody is shown it."""
    posts, followers, following = card.counts
    display_name_version, bio_version, private_version = card.versions
    return AccountRow(
        id=card.id,
        username=card.username,
        display_name=card.display_name,
        display_name_version=display_name_version,
        bio=card.bio,
        bio_version=bio_version,
        private=card.private,
        private_version=private_version,
        posts=posts,
        followers=followers,
        following=following,
        erased=card.erased,
    )


async def not_folded_yet(request: web.Request, account_id: int) -> AccountRow:
    """As `just_registered`, when nobody can say whether there is a row by now.

    `Unavailable` where one was written: the account may since have been renamed or gone private.
    """
    address = registered_at(request, account_id)
    # One that was trimmed is not fetched for everybody who asks: its row was written long ago.
    trimmed = await is_trimmed(request.app[LOG], address)
    status = None if trimmed else await status_of(request.app[LOG], address)
    if status is not None and status.roles.get(ROLE) == "done":
        raise Unavailable("metadata-unavailable", "The account is not within reach now.")
    return await just_registered(request, account_id)


async def just_registered(request: web.Request, account_id: int) -> AccountRow:
    """The row an account is about to have."""
    delivery = await registration_of(request, account_id)
    row = registered_row(account_id, delivery.event)
    refuse_erased(request, row)
    return row


async def registration_of(request: web.Request, account_id: int) -> Delivery[AccountRegistered]:
    """The event that opened the account."""
    address = registered_at(request, account_id)
    delivery = await request.app[LOG].event_at(address)
    if delivery is None and await is_trimmed(request.app[LOG], address):
        raise Unavailable("metadata-unavailable", "The account is not within reach now.")
    if delivery is None or not isinstance(delivery.event, AccountRegistered):
        raise Forbidden("account-erased", "The account is no longer there.")
    return delivery


def registered_at(request: web.Request, account_id: int) -> Address:
    """An account's id says where in the log it was opened."""
    partition = shard_of(account_id) % request.app[SETTINGS].partitions
    return Address(AccountRegistered.TOPIC, partition, position_of(account_id))


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
