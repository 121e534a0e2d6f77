"""Where is my command now? Answered from the log, for whoever recorded it."""

import msgspec
from aiohttp import web

from events.ids import Address
from events.status import status_of, wait_for
from gateway.answers import json_answer
from gateway.keys import LOG, viewer_of
from gateway.routing import Route
from gateway.waits import held_back
from runtime.errors import NotFound

MOST_CHARACTERS = 80


class CommandState(msgspec.Struct, frozen=True, omit_defaults=True):
    """`applied`: every later read shows it. `refused`: a worker decided against it, `code` why."""

    state: str
    roles: dict[str, str]
    code: str | None = None


async def show_command(request: web.Request) -> web.Response:
    """The state of one's own command; `?wait=` holds the answer until it is final."""
    address = address_in_path(request)
    with held_back(request) as seconds:
        status = await status_of(request.app[LOG], address)
        if status is not None and status.actor == viewer_of(request).account_id and seconds:
            status = await wait_for(request.app[LOG], address, seconds)
    if status is None or status.actor != viewer_of(request).account_id:
        raise no_such_command()
    return json_answer(CommandState(status.state, status.roles, status.code))


def address_in_path(request: web.Request) -> Address:
    text = request.match_info["event"]
    try:
        if len(text) > MOST_CHARACTERS:
            raise no_such_command()
        return Address.parse(text)
    except ValueError:
        raise no_such_command() from None


def no_such_command() -> NotFound:
    return NotFound("not-found", "You have recorded no such command.")


ROUTES = (
    Route(
        "GET",
        "/v1/commands/{event}",
        show_command,
        "read",
        summary="Where a command of one's own is now",
        answer=CommandState,
        queries=("wait",),
    ),
)
