"""Opening an account, one's own profile, and the profiles of others."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from events.accounts import AccountRegistered, ProfileEdited
from gateway.answers import accepted, json_answer, replay_header, rfc3339
from gateway.bodies import idempotency_of, read_command, refused
from gateway.clients import address_of
from gateway.keys import CARDS, LOG, PASSWORDS, REQUEST_ID, TOKENS, viewer_of
from gateway.metadata import account_named, metadata
from gateway.paths import USERNAME, username_in_path
from gateway.profiles import (
    Account,
    account_of,
    just_registered,
    profile_in_reach,
    refuse_erased,
    registered_row,
    relation_in_reach,
)
from gateway.routing import Accepted, Route
from gateway.texts import clean_line, clean_text
from runtime.errors import Invalid, Unavailable
from stores.accounts import (
    STRANGERS,
    AccountRow,
    Relation,
    account_by_id,
    account_by_username,
    viewer_relations,
)

MOST_NAME = 50
MOST_BIO = 500

Password = Annotated[str, Meta(min_length=8, max_length=256)]


class SignUp(msgspec.Struct, frozen=True):
    """`username` is 2 to 30 of a-z, 0-9 and _; upper case is folded."""

    username: Annotated[str, Meta(max_length=30)]
    password: Password
    display_name: str = ""


class SignedIn(msgspec.Struct, frozen=True):
    """The token to send as `Authorization: Bearer`, and when it ends."""

    account: Account
    token: str
    expires_at: str


class ProfileEdit(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whatever is left out stays as it is."""

    display_name: str | UnsetType = UNSET
    bio: str | UnsetType = UNSET
    private: bool | UnsetType = UNSET


async def sign_up(request: web.Request) -> web.Response:
    """Reserve the name and open the account; the answer is rebuilt from the event alone."""
    command = await read_command(request, SignUp)
    if not USERNAME.fullmatch(command.username):
        raise refused("username", "a username is 2 to 30 of a-z, 0-9 and _")
    username = command.username.lower()
    display_name = clean_line(command.display_name, "display_name", MOST_NAME)
    canonical = msgspec.structs.replace(command, username=username, display_name=display_name)
    request.app[LOG].reach.refuse_while_away()  # or hashing the password would be for nothing
    event = AccountRegistered(
        username=username,
        display_name=display_name or username,
        password_hash=await request.app[PASSWORDS].hash(command.password),
        client_address=address_of(request),
    )
    appended = await request.app[LOG].register(
        event,
        idempotency=idempotency_of(request, username, canonical),
        request=request[REQUEST_ID],
    )
    token, expires = request.app[TOKENS].issue(appended.id, appended.id)
    account = account_of(registered_row(appended.id, event))
    answer = SignedIn(account, token, rfc3339(expires * 1000))
    return json_answer(answer, 201, replay_header(replayed=appended.replayed))


async def show_me(request: web.Request) -> web.Response:
    """One's own account, right after sign-up too, when no worker has written its row yet."""
    viewer_id = viewer_of(request).account_id
    try:
        async with metadata(request) as db:
            row = await account_by_id(db, viewer_id)
    except Unavailable:
        return json_answer(account_of(await profile_in_reach(request, viewer_id)))
    return json_answer(account_of(await kept(request, row, viewer_id)))


async def edit_me(request: web.Request) -> web.Response:
    """Record the registers that were named."""
    command = await read_command(request, ProfileEdit)
    if command == ProfileEdit():
        raise Invalid("nothing-to-change", "name display_name, bio or private")
    display_name, bio = command.display_name, command.bio
    if isinstance(display_name, str):
        display_name = clean_line(display_name, "display_name", MOST_NAME)
        if not display_name:
            raise refused("display_name", "a display name has at least one character")
    if isinstance(bio, str):
        bio = clean_text(bio, "bio", MOST_BIO)
    appended = await request.app[LOG].append(
        ProfileEdited(display_name=display_name, bio=bio, private=command.private),
        actor=viewer_of(request).account_id,
        request=request[REQUEST_ID],
    )
    return accepted(appended)


async def show_account(request: web.Request) -> web.Response:
    """A profile; of a private account too, only its lists are kept back."""
    username, viewer_id = username_in_path(request), viewer_of(request).account_id
    relations: dict[int, Relation] = {}
    try:
        async with metadata(request) as db:
            row = await account_by_username(db, username)
            if row is not None:
                relations = await viewer_relations(db, viewer_id, [row.id])
    except Unavailable:
        row = await profile_in_reach(request, await account_named(request, username))
        return json_answer(account_of(row, relation_in_reach(request, viewer_id, row.id)))
    account_id = row.id if row else await account_named(request, username)
    row = await kept(request, row, account_id)
    return json_answer(account_of(row, relations.get(row.id, STRANGERS)))


async def kept(request: web.Request, row: AccountRow | None, account_id: int) -> AccountRow:
    """The row, its card put within reach for when Postgres is away; or the one that is to be."""
    if row is None:
        return await just_registered(request, account_id)
    refuse_erased(request, row)
    await request.app[CARDS].put_author(row)
    return row


ROUTES = (
    Route(
        "POST",
        "/v1/accounts",
        sign_up,
        "write",
        authenticated=False,
        summary="Open an account",
        body=SignUp,
        answer=SignedIn,
        status=201,
        limit="sign-ups",
    ),
    Route("GET", "/v1/me", show_me, "read", summary="One's own account", answer=Account),
    Route(
        "PATCH",
        "/v1/me",
        edit_me,
        "write",
        summary="Change one's profile",
        body=ProfileEdit,
        answer=Accepted,
        status=202,
    ),
    Route(
        "GET",
        "/v1/accounts/{username}",
        show_account,
        "read",
        summary="Show an account",
        answer=Account,
    ),
)
