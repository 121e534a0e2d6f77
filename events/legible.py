"""Any entry as a person may read it: of a type that is known here or not, of whole bytes or broken.

Sealed fields are opened while their author's key exists. Secrets never leave: of no use to whoever
asks, but to a thief.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag

from events import codec, sealing
from events.arguments import rfc3339
from events.catalogue import BY_TAG
from events.entries import (
    ACTOR,
    AFTER,
    CAUSE,
    PAYLOAD,
    REQUEST,
    SEALED,
    TIME,
    TRACEPARENT,
    TYPE,
    Entry,
    actor_of,
)
from events.ids import Address, Position, make_id, shard_of
from events.log import Log

MOST_EXACT = 2**53 - 1
SECRETS = frozenset({"password_hash"})
ENVELOPE = {TYPE, TIME, ACTOR, CAUSE, AFTER, REQUEST, TRACEPARENT, PAYLOAD, SEALED}


class Legible(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in one entry, as far as it can be read."""

    address: Address
    type: str
    event: int | None
    """The event's id; None where its actor cannot be read."""
    actor: int | None
    recorded_ms: int | None
    after: str
    cause: str
    request: str
    traceparent: str
    payload: dict[str, Any]
    sealed: str
    """"none", "opened", or why not."""
    problem: str
    """Why no handler could be given this; empty where one could."""
    others: dict[str, str]
    """Fields of the entry that this version does not know."""

    def fields(self) -> dict[str, Any]:
        """The same for machines; ids are strings, for a double does not hold their digits."""
        return {
            "address": str(self.address),
            "topic": self.address.topic,
            "partition": self.address.partition,
            "position": str(self.address.position),
            "event": None if self.event is None else str(self.event),
            "type": self.type,
            "actor": None if self.actor is None else str(self.actor),
            "recorded_at": None if self.recorded_ms is None else rfc3339(self.recorded_ms),
            "after": self.after,
            "cause": self.cause,
            "request": self.request,
            "traceparent": self.traceparent,
            "sealed": self.sealed,
            "problem": self.problem,
            "payload": spelled(self.payload),
            **({"others": self.others} if self.others else {}),
        }


def spelled(value: Any) -> Any:
    """What is said, with numbers that a double does not hold as strings."""
    match value:
        case dict():
            return {name: spelled(each) for name, each in value.items()}
        case list() | tuple():
            return [spelled(each) for each in value]
        case int() if abs(value) > MOST_EXACT:
            return str(value)
    return value


async def read_entries(
    log: Log, topic: str, partition: int, entries: Sequence[Entry]
) -> list[Legible]:
    """One for each entry, with one trip for all keys."""
    actors = [_actor(entry) for entry in entries]
    sealers = {a for a, (_, fields) in zip(actors, entries, strict=True) if a and SEALED in fields}
    keys = await log.wrapped_keys(sorted(sealers)) if sealers else {}
    return [
        _read(log, (topic, partition), entry, actor, keys.get(actor or 0))
        for entry, actor in zip(entries, actors, strict=True)
    ]


def half(encoded: bytes) -> dict[str, Any]:
    """What stands in one half of a payload; as hexadecimal digits where it is no map of names."""
    try:
        fields = msgspec.msgpack.decode(encoded, type=dict[str, Any]) if encoded else {}
        msgspec.json.encode(fields)
    except (msgspec.MsgspecError, TypeError, ValueError):
        return {"(undecodable)": encoded.hex()}
    return {name: "***" if name in SECRETS else value for name, value in fields.items()}


def opened(
    log: Log, actor: int | None, wrapped: bytes | None, tag: str, sealed: bytes
) -> tuple[str, dict[str, Any]]:
    """How a sealed half fared, and what is in it. Needs no knowledge of the type."""
    still = {"(sealed)": sealed.hex()}
    if actor is None:
        return "its author is unknown", still
    if wrapped is None:
        return "its key is destroyed", {}
    try:
        return "opened", half(sealing.unseal(log.keyring.unwrap(actor, wrapped), tag, sealed))
    except (InvalidTag, ValueError):
        return "does not open with its author's key", still


def _read(
    log: Log, place: tuple[str, int], entry: Entry, actor: int | None, wrapped: bytes | None
) -> Legible:
    topic, partition = place
    entry_id, fields = entry
    position, tag = Position.parse(entry_id), _text(fields, TYPE)
    payload, sealed = half(fields.get(PAYLOAD, b"")), "none"
    if SEALED in fields:
        sealed, more = opened(log, actor, wrapped, tag, fields[SEALED])
        payload |= more
    return Legible(
        address=Address(topic, partition, position),
        type=tag,
        event=None if actor is None else make_id(position, shard_of(actor)),
        actor=actor,
        recorded_ms=_number(fields.get(TIME, b"")),
        after=_text(fields, AFTER),
        cause=_text(fields, CAUSE),
        request=_text(fields, REQUEST),
        traceparent=_text(fields, TRACEPARENT),
        payload=payload,
        sealed=sealed,
        problem=_problem(tag, actor, fields, sealed),
        others={
            name.decode(errors="replace"): value.decode(errors="replace")
            for name, value in fields.items()
            if name not in ENVELOPE and (topic, name) != ("notices", b"topic")
        },
    )


def _problem(tag: str, actor: int | None, fields: Mapping[bytes, bytes], sealed: str) -> str:
    kind = BY_TAG.get(tag)
    if kind is None:
        return "unknown-type: no event of this version has this tag" if tag else "it has no type"
    if actor is None:
        return "undecodable: it names no actor"
    try:
        codec.decode(kind, fields.get(PAYLOAD, b""), b"")
    except codec.Undecodable as error:
        return f"undecodable: {error}"
    return f"undecodable: its sealed half {sealed}" if sealed.startswith("does not open") else ""


def _actor(entry: Entry) -> int | None:
    try:
        return actor_of(*entry)
    except (codec.Undecodable, ValueError):
        return None


def _number(text: bytes) -> int | None:
    return int(text) if text.isdigit() else None


def _text(fields: Mapping[bytes, bytes], name: bytes) -> str:
    return fields.get(name, b"").decode(errors="replace")
