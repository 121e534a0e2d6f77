"""DELETE /v1/me: the account takes back everything, for ever, but for its reserved username."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from events.accounts import AccountErased
from events.idempotency import Idempotency
from gateway.answers import accepted
from gateway.bodies import read_command
from gateway.keys import LOG, NOTICES, REQUEST_ID, viewer_of
from gateway.limits import charge_name
from gateway.routing import Accepted, Route
from gateway.sessions import credentials_soon, proves, refuse_without_accounts, row_of
from gateway.visibility import is_erased
from runtime.errors import Forbidden, Unauthenticated


class Erasure(msgspec.Struct, frozen=True):
    """The password once more: a stolen token erases nobody."""

    password: Annotated[str, Meta(max_length=256)]


async def erase_me(request: web.Request) -> web.Response:
    """Record the erasure, once however often it is sent.

    Its token ends with it. Who repeats the command, because the answer was lost, hears what
    everybody hears whose session was ended.
    """
    command = await read_command(request, Erasure)
    viewer_id, log = viewer_of(request).account_id, request.app[LOG]
    log.reach.refuse_while_away()  # or the password would be checked for nothing
    row = await row_of(request, viewer_id)
    if is_erased(request.app[NOTICES], row):
        raise Unauthenticated("revoked-token", "This session was ended.")
    await charge_name(request, row.username)  # a stolen token is no licence to guess
    known = await credentials_soon(request, row.username)
    if not await proves(request, known, command.password):
        raise Forbidden("bad-credentials", "The password is wrong.")
    appended = await log.append(
        AccountErased(),
        actor=viewer_id,
        idempotency=Idempotency(str(viewer_id), "\0erasure", b""),
        request=request[REQUEST_ID],
    )
    return accepted(appended)


ROUTES = (
    Route(
        "DELETE",
        "/v1/me",
        erase_me,
        "write",
        summary="Erase the account: all of it is hidden at once and gone within a minute, its "
        "profile is 404 and its posts are 410, its tokens end, its username stays reserved",
        body=Erasure,
        answer=Accepted,
        status=202,
        limit="sign-ins",  # of the address: a stolen token elsewhere takes none of its owner's
        room=refuse_without_accounts,
    ),
)
