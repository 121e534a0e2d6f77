"""A stream entry's fields, and how a run of entries is opened into deliveries."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap

from events import codec, sealing
from events.accounts import AccountRegistered
from events.catalogue import BY_TAG
from events.envelope import Delivery
from events.ids import Position, make_id, shard_of_username

if TYPE_CHECKING:
    from events.log import Log

TYPE, TIME, ACTOR, CAUSE, AFTER = b"type", b"time", b"actor", b"cause", b"after"
REQUEST, TRACEPARENT, PAYLOAD, SEALED = b"request", b"traceparent", b"payload", b"sealed"

Fields = Mapping[bytes, str | bytes]
Entry = tuple[bytes, dict[bytes, bytes]]


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that this process cannot open: of a type not known here, or of broken bytes."""

    position: Position
    type: str
    reason: str
    known: bool
    """False where a newer process may read it: such an entry waits."""


async def open_entries(
    log: "Log", topic: str, partition: int, entries: Sequence[Entry]
) -> list[Delivery[Any] | Unreadable]:
    """Decode and unseal a run of one stream's entries, with one trip for the keys they need."""
    kinds = [BY_TAG.get(fields.get(TYPE, b"").decode()) for _, fields in entries]
    actors = [_actor_of(position, fields) for position, fields in entries]
    wanted = {
        actor
        for actor, (_, fields) in zip(actors, entries, strict=True)
        if SEALED in fields and log.keyring.remembered(actor) is None
    }
    wrapped = await log.wrapped_keys(sorted(wanted)) if wanted else {}
    opened: list[Delivery[Any] | Unreadable] = []
    for kind, actor, (entry_id, fields) in zip(kinds, actors, entries, strict=True):
        position = Position.parse(entry_id)
        tag = fields.get(TYPE, b"").decode()
        if kind is None:
            opened.append(
                Unreadable(position=position, type=tag, reason="unknown-type", known=False)
            )
            continue
        try:
            half = _unsealed(log, actor, tag, fields.get(SEALED, b""), wrapped)
            event = codec.decode(kind, fields.get(PAYLOAD, b""), half)
        except (codec.Undecodable, InvalidTag, InvalidUnwrap) as error:
            reason = f"undecodable: {error or type(error).__name__}"
            opened.append(Unreadable(position=position, type=tag, reason=reason, known=True))
            continue
        opened.append(
            Delivery(
                event=event,
                topic=topic,
                partition=partition,
                position=position,
                actor=actor,
                time=int(fields.get(TIME, b"0")),
                after=fields.get(AFTER, b"0-0").decode(),
                cause=fields.get(CAUSE, b"").decode(),
                request=fields.get(REQUEST, b"").decode(),
                traceparent=fields.get(TRACEPARENT, b"").decode(),
            )
        )
    return opened


def _actor_of(entry_id: bytes, fields: Mapping[bytes, bytes]) -> int:
    """Who did it. A registration's actor is the account it opens, so its entry names none."""
    if ACTOR in fields:
        return int(fields[ACTOR])
    try:
        username = codec.decode(AccountRegistered, fields.get(PAYLOAD, b""), b"").username
    except codec.Undecodable:
        return 0
    return make_id(Position.parse(entry_id), shard_of_username(username))


def _unsealed(
    log: "Log", actor: int, tag: str, sealed: bytes, wrapped: Mapping[int, bytes | None]
) -> bytes:
    """The sealed half in the clear; empty where there is none or its key is destroyed."""
    if not sealed:
        return b""
    key = log.keyring.remembered(actor)
    if key is None:
        stored = wrapped.get(actor)
        if stored is None:
            return b""
        key = log.keyring.unwrap(actor, stored)
    return sealing.unseal(key, tag, sealed)
