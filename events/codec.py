"""From an event to its two halves on the wire, clear and sealed, and back. Both are msgpack maps.

The tag is in neither: it is a field of the entry, so that a reader knows what it cannot read.
"""

from functools import cache
from typing import Any, TypeVar, get_type_hints

import msgspec

from events.envelope import Event

E = TypeVar("E", bound=Event)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


class Undecodable(Exception):
    """These bytes are not an event of the type they claim to be."""


def encode(event: Event) -> tuple[bytes, bytes]:
    """The clear and the sealed half; fields at their default are left out, an empty half is b""."""
    sealed_names = sealed_fields(type(event))
    clear: dict[str, Any] = {}
    sealed: dict[str, Any] = {}
    for name, default in _defaults(type(event)):
        value = getattr(event, name)
        if value is default or value == default:
            continue
        (sealed if name in sealed_names else clear)[name] = value
    return (_encode(clear) if clear else b""), (_encode(sealed) if sealed else b"")


def decode(kind: type[E], clear: bytes, sealed: bytes) -> E:
    """The event of both halves; without the sealed one its fields read as their defaults."""
    try:
        fields = _decode(clear) if clear else {}
        if sealed:
            fields |= _decode(sealed)
        return msgspec.convert(fields, kind)
    except msgspec.MsgspecError as error:
        message = f"{kind.__name__}: {error}"
        raise Undecodable(message) from error


@cache
def sealed_fields(kind: type[Event]) -> frozenset[str]:
    """The names of the fields that travel under the author's key."""
    hints = get_type_hints(kind, include_extras=True)
    return frozenset(
        name
        for name, hint in hints.items()
        for meta in getattr(hint, "__metadata__", ())
        if isinstance(meta, msgspec.Meta) and meta.extra == {"sealed": True}
    )


@cache
def _defaults(kind: type[Event]) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.default) for field in msgspec.structs.fields(kind))
