"""Where a command is now: which roles have done their part, and what they decided.

Asked of the log alone: a group's last delivered entry, its pending list and the dead letters say
who is done; an announcement found under its cause says how the command went on.
"""

import asyncio
import time
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from events.dead_letters import SHELVES, Undelivered, letters_key
from events.envelope import Delivery
from events.graph import FollowAccepted, FollowRequested
from events.history import ever_at
from events.ids import Address, Position
from events.log import Log, stream_key
from events.posts import PostPublished, PostRejected, PostSubmitted

FIRST_LOOK_SECONDS = 0.02
LONGEST_LOOK_SECONDS = 0.25
UNSEEN = frozenset({"erasures"})
"""Roles whose work no read shows: without object storage, say, a profile is edited all the same."""


class CommandStatus(NamedTuple):
    """`state` is accepted, applied, refused or buried; each role is waiting, done or buried."""

    actor: int
    state: str
    code: str | None
    roles: dict[str, str]


async def status_of(log: Log, address: Address) -> CommandStatus | None:
    """The status of the command recorded there; None when there is none."""
    command = await ever_at(log, address)
    if command is None:
        return None
    # Roles before announcements: who is done by now has announced what there is to announce.
    steps = [await _roles_of(log, command)]
    announcements = await announcements_of(log, command)
    steps += [await _roles_of(log, announcement) for announcement in announcements]
    roles: dict[str, str] = {}
    for role, state in (item for step in steps for item in step.items()):
        roles[role] = _worse(roles.get(role, "done"), state)
    refusal = next((d.event for d in announcements if isinstance(d.event, PostRejected)), None)
    if "buried" in roles.values():
        state = "buried"
    elif not all(steps) or "waiting" in roles.values():  # a step that nobody reads is not done
        state = "accepted"
    else:
        state = "refused" if refusal else "applied"
    code = refusal.code if refusal and state == "refused" else None
    return CommandStatus(command.actor, state, code, roles)


async def wait_for(log: Log, address: Address, seconds: float) -> CommandStatus | None:
    """The status once it is final, or what it is when the time is over."""
    deadline = time.monotonic() + seconds
    look = FIRST_LOOK_SECONDS
    while True:
        status = await status_of(log, address)
        left = deadline - time.monotonic()
        if status is None or status.state != "accepted" or left <= 0:
            return status
        await asyncio.sleep(min(look, left))
        look = min(look * 1.5, LONGEST_LOOK_SECONDS)


async def announcements_of(log: Log, command: Delivery[Any]) -> list[Delivery[Any]]:
    """What workers announced because of this command; its effect includes theirs."""
    found: list[Delivery[Any] | None]
    match command.event:
        case PostSubmitted():
            found = [await log.precedents.answer(command, PostPublished, PostRejected)]
        case FollowRequested(followee_id=followee):
            # Only while it is recorded: an acceptance as old as that has long been folded.
            part = str(command.id)
            found = [await log.announced(FollowAccepted, cause=command, actor=followee, part=part)]
        case _:
            found = []
    return [delivery for delivery in found if delivery is not None]


async def _roles_of(log: Log, delivery: Delivery[Any]) -> dict[str, str]:
    stream = stream_key(delivery.topic, delivery.partition)
    try:
        groups = await log.client.xinfo_groups(stream)
    except ResponseError:  # no such stream
        return {}
    return {
        group["name"].decode(): await _state_for(log, delivery, stream, group)
        for group in groups
        if group["name"].decode() not in UNSEEN
    }


async def _state_for(log: Log, delivery: Delivery[Any], stream: str, group: dict[str, Any]) -> str:
    if delivery.position > Position.parse(group["last-delivered-id"]):
        return "waiting"
    role, position = group["name"].decode(), str(delivery.position)
    name = Undelivered(role, delivery.topic, delivery.partition, delivery.position).name
    # In one step: burying and retrying move a delivery from one to the other.
    async with log.client.pipeline(transaction=True) as pipeline:
        pipeline.xpending_range(stream, role, position, position, 1)
        for shelf in SHELVES:
            pipeline.hexists(letters_key(shelf, delivery.partition), name)
        pending, *shelved = await pipeline.execute()
    if pending:
        return "waiting"
    return "buried" if any(shelved) else "done"


def _worse(one: str, other: str) -> str:
    order = ("done", "waiting", "buried")
    return max(one, other, key=order.index)
