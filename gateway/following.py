"""Following and unfollowing, and the lists of who follows whom."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from events.graph import FollowRequested, GraphEvent, Unfollowed
from events.ids import Address, position_of, shard_of
from events.lag import has_done_all
from gateway.answers import accepted, json_answer, page
from gateway.cursors import cursor_of, encode_cursor, limit_of
from gateway.keys import LOG, NOTICES, REQUEST_ID, SETTINGS, viewer_of
from gateway.metadata import account_named, metadata
from gateway.paths import username_in_path
from gateway.profiles import Account, account_of, profile_named, refuse_unless_shown_to
from gateway.routing import Accepted, Page, Route
from gateway.visibility import is_erased
from runtime.errors import Invalid, Unavailable
from stores.accounts import STRANGERS, accounts_by_ids, viewer_relations
from stores.database import Database
from stores.follows import followers_page, following_page, wish_of

ROLE = "graph"  # the group that folds wishes into rows

People = Callable[[Database, int, int | None, int], Awaitable[list[tuple[int, int]]]]


async def follow(request: web.Request) -> web.Response:
    """Record the wish, unless one stands already; a worker or the followee gives the verdict."""
    viewer_id, followee_id = viewer_of(request).account_id, await followee(request)
    standing = await standing_wish(request, viewer_id, followee_id)
    if standing:
        event = Address(
            FollowRequested.TOPIC,
            shard_of(standing) % request.app[SETTINGS].partitions,
            position_of(standing),
        )
        return json_answer(Accepted(id=str(standing), event=str(event)), 202)
    return await record(request, FollowRequested(followee_id=followee_id))


async def unfollow(request: web.Request) -> web.Response:
    """Withdraw the wish. Recorded even where none is known: one may be on its way."""
    return await record(request, Unfollowed(followee_id=await followee(request)))


async def list_followers(request: web.Request) -> web.Response:
    """Who follows an account, newest wish first."""
    return await list_people(request, followers_page)


async def list_following(request: web.Request) -> web.Response:
    """Whom an account follows, newest wish first."""
    return await list_people(request, following_page)


async def followee(request: web.Request) -> int:
    """Whom the path names, found without Postgres."""
    followee_id = await account_named(request, username_in_path(request))
    if followee_id == viewer_of(request).account_id:
        raise Invalid("oneself", "Nobody follows themselves.")
    return followee_id


async def standing_wish(request: web.Request, follower_id: int, followee_id: int) -> int:
    """The version of a wish that stands and was not refused; 0 when we know of none.

    Only a row that nothing in the log may still change is believed: a withdrawal on its way would
    otherwise swallow the wish that came after it.
    """
    partition = shard_of(follower_id) % request.app[SETTINGS].partitions
    if not await has_done_all(request.app[LOG], ROLE, FollowRequested.TOPIC, partition):
        return 0
    try:
        async with metadata(request) as db:
            row = await wish_of(db, follower_id, followee_id)
    except Unavailable:
        return 0
    if row is None or not row.wish:
        return 0
    refused = row.accepted is False and row.accepted_wish >= row.wish_version
    return 0 if refused else row.wish_version


async def record(request: web.Request, event: GraphEvent) -> web.Response:
    appended = await request.app[LOG].append(
        event, actor=viewer_of(request).account_id, request=request[REQUEST_ID]
    )
    return accepted(appended)


async def list_people(request: web.Request, people: People) -> web.Response:
    """A page of accounts, each as the viewer sees it; the cursor is the last wish examined."""
    username, viewer_id = username_in_path(request), viewer_of(request).account_id
    limit, cursor = limit_of(request), cursor_of(request, 1)
    owner = await profile_named(request, username)
    async with metadata(request) as db:
        await refuse_unless_shown_to(request, db, viewer_id, owner)
        found = await people(db, owner.id, cursor[0] if cursor else None, limit + 1)
        ids = [account_id for account_id, _ in found[:limit]]
        rows = await accounts_by_ids(db, ids)
        relations = await viewer_relations(db, viewer_id, ids)
    items = [
        account_of(rows[each], relations.get(each, STRANGERS))
        for each in ids
        if each in rows and not is_erased(request.app[NOTICES], rows[each])
    ]
    more = len(found) > limit
    return page(items, encode_cursor(found[limit - 1][1]) if more else None, request)


ROUTES = (
    Route(
        "PUT",
        "/v1/accounts/{username}/follow",
        follow,
        "write",
        summary="Follow an account; a private one is asked first",
        answer=Accepted,
        status=202,
    ),
    Route(
        "DELETE",
        "/v1/accounts/{username}/follow",
        unfollow,
        "write",
        summary="Stop following an account",
        answer=Accepted,
        status=202,
    ),
    Route(
        "GET",
        "/v1/accounts/{username}/followers",
        list_followers,
        "read",
        summary="Who follows an account",
        answer=Page[Account],
        queries=("limit", "cursor"),
    ),
    Route(
        "GET",
        "/v1/accounts/{username}/following",
        list_following,
        "read",
        summary="Whom an account follows",
        answer=Page[Account],
        queries=("limit", "cursor"),
    ),
)
