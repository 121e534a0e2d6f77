"""Signing in and out, and changing the password that both rest on."""

import asyncio
import time
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from events.accounts import PasswordChanged, SessionOpened, SessionsRevoked
from events.appended import Appended
from events.history import ever_at
from gateway.accounts import Password, SignedIn
from gateway.answers import accepted, json_answer, replay_header, rfc3339
from gateway.bodies import idempotency_of, read_command
from gateway.clients import address_of, user_agent_of
from gateway.keys import LOG, NOTICES, PASSWORDS, READER_REACH, REQUEST_ID, TOKENS, viewer_of
from gateway.limits import charge_name
from gateway.metadata import metadata
from gateway.paths import USERNAME
from gateway.profiles import Account, account_of, just_registered
from gateway.pulling import build_ahead
from gateway.routing import Accepted, Route
from runtime.errors import Forbidden, Unauthenticated, Unavailable
from stores.accounts import AccountRow, Credentials, account_by_id, credentials_of

ROW_SECONDS = 2.0
LOOK_SECONDS = 0.05


class SignIn(msgspec.Struct, frozen=True):
    username: Annotated[str, Meta(max_length=256)]
    password: Annotated[str, Meta(max_length=256)]


class PasswordChange(msgspec.Struct, frozen=True):
    old: Annotated[str, Meta(max_length=256)]
    new: Password


async def sign_in(request: web.Request) -> web.Response:
    """Open a session; an unknown name gets the same answer in the same time as a wrong password."""
    command = await read_command(request, SignIn)
    username = command.username.lower()
    await charge_name(request, username)
    request.app[LOG].reach.refuse_while_away()  # or the password would be checked for nothing
    known = await credentials_soon(request, username) if USERNAME.fullmatch(username) else None
    if not await proves(request, known, command.password) or known is None:
        raise bad_credentials()
    account = account_of(await row_of(request, known.account_id))
    try:
        appended = await request.app[LOG].append(
            SessionOpened(
                client_address=address_of(request),
                user_agent=user_agent_of(request),
                account=msgspec.json.encode(account),
            ),
            actor=known.account_id,
            idempotency=idempotency_of(
                request, username, msgspec.structs.replace(command, username=username)
            ),
            request=request[REQUEST_ID],
        )
    except Forbidden:  # erased a moment ago
        raise bad_credentials() from None
    build_ahead(request.app, known.account_id)
    token, expires = request.app[TOKENS].issue(known.account_id, appended.id)
    if appended.replayed:
        account = await account_answered(request, appended) or account
    answer = SignedIn(account, token, rfc3339(expires * 1000))
    return json_answer(answer, 201, replay_header(replayed=appended.replayed))


def bad_credentials() -> Unauthenticated:
    return Unauthenticated("bad-credentials", "The username or the password is wrong.")


async def account_answered(request: web.Request, appended: Appended) -> Account | None:
    """The account as the first of equal sign-ins showed it; None where its event does not say."""
    delivery = await ever_at(request.app[LOG], appended.address)
    if delivery is None or not isinstance(delivery.event, SessionOpened):
        return None
    shown = delivery.event.account
    return msgspec.json.decode(shown, type=Account) if shown else None


async def sign_out(request: web.Request) -> web.Response:
    """End the session that asks."""
    viewer = viewer_of(request)
    return await revoke(request, SessionsRevoked(token_id=viewer.token_id))


async def sign_out_everywhere(request: web.Request) -> web.Response:
    """End every session of the account, the one that asks too."""
    return await revoke(request, SessionsRevoked())


async def change_password(request: web.Request) -> web.Response:
    """Set a new password; every session but this one ends."""
    command = await read_command(request, PasswordChange)
    viewer, passwords = viewer_of(request), request.app[PASSWORDS]
    request.app[LOG].reach.refuse_while_away()  # or the password would be hashed for nothing
    row = await row_of(request, viewer.account_id)
    await charge_name(request, row.username)  # a stolen token is no licence to guess
    known = await credentials_soon(request, row.username)
    if not await proves(request, known, command.old):
        raise Forbidden("bad-credentials", "The old password is wrong.")
    appended = await request.app[LOG].append(
        PasswordChanged(
            password_hash=await passwords.hash(command.new), kept_token_id=viewer.token_id
        ),
        actor=viewer.account_id,
        request=request[REQUEST_ID],
    )
    return accepted(appended)


async def refuse_without_accounts(request: web.Request) -> None:
    """503 while nobody's password can be looked up; `watching.py` finds out when it can be."""
    if request.app[READER_REACH].is_away():
        raise Unavailable("metadata-unavailable", "Passwords cannot be checked right now.")


async def credentials_soon(request: web.Request, username: str) -> Credentials | None:
    """The credentials of a name; those of one just reserved are waited for, None for nobody's."""
    deadline = time.monotonic() + ROW_SECONDS
    reserved = False
    while True:
        async with metadata(request) as db:
            found = await credentials_of(db, username)
        if found is not None:
            return found
        if not reserved and await request.app[LOG].resolve(username) is None:
            return None
        reserved = True
        if time.monotonic() + LOOK_SECONDS > deadline:
            detail = "The account was just opened and is still being written."
            raise Unavailable("account-not-ready", detail, retry_after=1)
        await asyncio.sleep(LOOK_SECONDS)


async def proves(request: web.Request, known: Credentials | None, password: str) -> bool:
    """Whether this is the account's latest password, be it in the row already or only heard of."""
    encoded = known.password_hash if known else None
    if known is not None and request.app[NOTICES].is_erased(known.account_id):
        encoded = None
    elif known is not None:
        heard = request.app[NOTICES].password(known.account_id)
        if heard is not None and heard[1] > known.password_version:
            encoded = heard[0]
    return await request.app[PASSWORDS].verify(encoded, password)


async def row_of(request: web.Request, account_id: int) -> AccountRow:
    async with metadata(request) as db:
        row = await account_by_id(db, account_id)
    return row or await just_registered(request, account_id)


async def revoke(request: web.Request, event: SessionsRevoked) -> web.Response:
    appended = await request.app[LOG].append(
        event, actor=viewer_of(request).account_id, request=request[REQUEST_ID]
    )
    return accepted(appended)


ROUTES = (
    Route(
        "POST",
        "/v1/sessions",
        sign_in,
        "write",
        authenticated=False,
        summary="Sign in",
        body=SignIn,
        answer=SignedIn,
        status=201,
        limit="sign-ins",
        room=refuse_without_accounts,
    ),
    Route(
        "DELETE",
        "/v1/sessions/current",
        sign_out,
        "write",
        summary="End this session",
        answer=Accepted,
        status=202,
        limit="sign-outs",
    ),
    Route(
        "DELETE",
        "/v1/sessions",
        sign_out_everywhere,
        "write",
        summary="End every session of the account",
        answer=Accepted,
        status=202,
        limit="sign-outs",
    ),
    Route(
        "PUT",
        "/v1/me/password",
        change_password,
        "write",
        summary="Change the password and end all other sessions",
        body=PasswordChange,
        answer=Accepted,
        status=202,
        limit="sign-ins",  # of the address: a stolen token elsewhere takes none of its owner's
        room=refuse_without_accounts,
    ),
)
