"""A stream entry's fields, and how a run of entries is opened into deliveries."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from events import codec, sealing
from events.accounts import AccountErased, AccountRegistered
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
    """Decode and unseal a run of one stream's entries, with one trip for the keys they need.

    Whoever reads of an erasure here forgets the key that it destroyed.
    """
    keys = await _keys_for(log, entries)
    opened: list[Delivery[Any] | Unreadable] = []
    for entry_id, fields in entries:
        position = Position.parse(entry_id)
        tag = fields.get(TYPE, b"").decode(errors="replace")
        kind = BY_TAG.get(tag)
        if kind is None:
            opened.append(
                Unreadable(position=position, type=tag, reason="unknown-type", known=False)
            )
            continue
        try:
            actor = actor_of(entry_id, fields)
            half = _unsealed(tag, fields.get(SEALED, b""), keys.get(actor))
            delivery = Delivery(
                event=codec.decode(kind, fields.get(PAYLOAD, b""), half),
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
        except (codec.Undecodable, InvalidTag, ValueError) as error:
            reason = f"undecodable: {error or type(error).__name__}"
            opened.append(Unreadable(position=position, type=tag, reason=reason, known=True))
        else:
            opened.append(delivery)
            if kind is AccountErased:
                log.keyring.forget(actor)
    return opened


async def _keys_for(log: "Log", entries: Sequence[Entry]) -> dict[int, AESGCM | None]:
    """The key of everyone who sealed something here, looked up once; None where it is destroyed."""
    keys = {}
    for entry_id, fields in entries:
        if SEALED in fields:
            with suppress(codec.Undecodable, ValueError):  # told when the entry itself is opened
                actor = actor_of(entry_id, fields)
                keys[actor] = log.keyring.remembered(actor)
    missing = sorted(actor for actor, key in keys.items() if key is None)
    for actor, wrapped in (await log.wrapped_keys(missing) if missing else {}).items():
        keys[actor] = log.keyring.unwrap(actor, wrapped) if wrapped else None
    return keys


def actor_of(entry_id: bytes, fields: Mapping[bytes, bytes]) -> int:
    """Who did it. A registration's actor is the account it opens, so its entry names none."""
    if ACTOR in fields:
        return int(fields[ACTOR])
    username = codec.decode(AccountRegistered, fields.get(PAYLOAD, b""), b"").username
    return make_id(Position.parse(entry_id), shard_of_username(username))


def _unsealed(tag: str, sealed: bytes, key: AESGCM | None) -> bytes:
    """The sealed half in the clear; empty where there is none or its key is destroyed."""
    return sealing.unseal(key, tag, sealed) if sealed and key else b""
