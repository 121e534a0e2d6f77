"""Deliveries that could not be done: each has a letter until it is retried or dropped.

One delivery to one role has one letter, however often it fails. It is written in the same step as
the acknowledgement, so a delivery is pending or buried, never both and never neither.
"""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Literal, NamedTuple, Self

import msgspec
from redis.exceptions import ResponseError

from events.catalogue import BY_TAG
from events.entries import TYPE
from events.ids import Address, Position
from events.log import stream_key
from runtime.functions import Client, Functions

Shelf = Literal["dead", "dropped"]
DEAD: Shelf = "dead"
DROPPED: Shelf = "dropped"
SHELVES = (DEAD, DROPPED)

KEPT_SECONDS = 30 * 86_400  # the letter of a retried delivery, for when it fails again
EARLIER_KEPT = 10
PAGE = 200  # a letter with its traceback has a few kilobytes

FUNCTIONS = Functions(Path(__file__).with_name("dead_letters.lua"))


class Undelivered(NamedTuple):
    """One event's delivery to one role."""

    role: str
    topic: str
    partition: int
    position: Position

    @property
    def name(self) -> str:
        """Its letter's name; names sort by role, topic and position."""
        return f"{self.role} {self.topic} {self.sortable}"

    @property
    def notice(self) -> str:
        """What keeps its notice while it is dropped; sorts by position."""
        return f"{self.sortable} {self.role}"

    @property
    def sortable(self) -> str:
        ms, sequence = self.position
        return f"{ms:013d}-{sequence:04d}"

    @property
    def address(self) -> Address:
        return Address(self.topic, self.partition, self.position)

    @classmethod
    def named(cls, name: bytes, partition: int) -> Self:
        role, topic, position = name.decode().split(" ")
        return cls(role, topic, partition, Position.parse(position))


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """How an earlier burial of the same delivery came about."""

    reason: str
    attempts: int
    buried_ms: int


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """Who decided that a delivery is never to be done, and why."""

    who: str
    why: str
    dropped_ms: int


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """Why a delivery could not be done, and the entry itself, as it is stored."""

    reason: str
    traceback: str
    attempts: int
    buried_ms: int
    entry: dict[bytes, bytes]
    times_buried: int = 1
    earlier: tuple[Failure, ...] = ()
    """The latest ten before this one, oldest first."""
    dropped: Drop | None = None


Standing = tuple[Undelivered, Letter]


async def bury(client: Client, what: Undelivered, letter: Letter, *, consumer: str) -> bool:
    """Move a delivery that this consumer holds to the dead; False when it no longer holds it."""
    if retried := await client.get(retried_key(what)):
        letter = _after(_decode(retried), letter)
    keys = [*shelf_keys(DEAD, what.partition), retried_key(what), _stream_of(what)]
    arguments = [what.role, consumer, str(what.position), what.name, _encode(letter)]
    return bool(await FUNCTIONS.call(client, "bury", keys, arguments))


async def bury_archived(client: Client, what: Undelivered, letter: Letter) -> None:
    """Of a delivery from the archive, which no group had in hand; it cannot be retried."""
    async with client.pipeline(transaction=True) as pipeline:
        pipeline.hset(letters_key(DEAD, what.partition), what.name, _encode(letter))
        pipeline.zadd(order_key(DEAD, what.partition), {what.name: 0})
        await pipeline.execute()


async def retry(client: Client, what: Undelivered) -> str:
    """Have a buried or dropped delivery tried again: "retried", "gone", "missing" or "no group".

    Some worker of the role takes it over within half a lease. But for "retried" nothing changes.
    """
    keys = [key for shelf in SHELVES for key in shelf_keys(shelf, what.partition)]
    keys += [kept_key(what.partition), retried_key(what), _stream_of(what)]
    arguments = [what.role, str(what.position), what.name, KEPT_SECONDS, what.notice]
    try:
        return str((await FUNCTIONS.call(client, "retry", keys, arguments)).decode())
    except ResponseError as error:
        if "NOGROUP" not in str(error):
            raise
        return "no group"


async def drop(client: Client, what: Undelivered, note: Drop) -> str:
    """Give a buried delivery up: "dropped", or "missing" when there is no such letter.

    Where the event hides something, its notice is kept from now on: nothing else hides it.
    """
    keys = [key for shelf in SHELVES for key in shelf_keys(shelf, what.partition)]
    keys.append(kept_key(what.partition))
    while letter := await client.hget(letters_key(DEAD, what.partition), what.name):
        read = _decode(letter)
        kept = what.notice if hides(read) else ""
        told = _encode(msgspec.structs.replace(read, dropped=note))
        reply = await FUNCTIONS.call(client, "drop", keys, [what.name, letter, told, kept])
        if reply == b"dropped":
            return "dropped"
    return "missing"


async def letters(
    client: Client, partition: int, *, shelf: Shelf = DEAD, role: str = "", topic: str = ""
) -> AsyncIterator[Standing]:
    """A partition's letters by role, topic and position, read a page at a time."""
    low, high = _names(role, topic)
    key, order = shelf_keys(shelf, partition)
    while names := await client.zrangebylex(order, low, high, 0, PAGE):
        for name, letter in zip(names, await client.hmget(key, names), strict=True):
            if letter:  # or it was retried just now
                yield Undelivered.named(name, partition), _decode(letter)
        low = f"({names[-1].decode()}"


async def letters_of(client: Client, wanted: Iterable[Undelivered]) -> list[tuple[Shelf, Standing]]:
    """Those of these deliveries that are buried or dropped."""
    found: list[tuple[Shelf, Standing]] = []
    for what in wanted:
        for shelf in SHELVES:
            letter = await client.hget(letters_key(shelf, what.partition), what.name)
            if letter:
                found.append((shelf, (what, _decode(letter))))
    return found


async def kinds(client: Client, partition: int) -> list[tuple[str, str]]:
    """Every role and topic of which a letter stands on any shelf; one look-up each."""
    found = set()
    for shelf in SHELVES:
        low = "-"
        while names := await client.zrangebylex(order_key(shelf, partition), low, "+", 0, 1):
            what = Undelivered.named(names[0], partition)
            found.add((what.role, what.topic))
            low = _names(what.role, what.topic)[1]
    return sorted(found)


async def count(client: Client, partition: int, role: str) -> int:
    """How many of a role's deliveries are buried and wait for somebody to decide."""
    return int(await client.zlexcount(order_key(DEAD, partition), *_names(role, "")))


def type_of(letter: Letter) -> str:
    """The event's tag, known to this process or not."""
    return letter.entry.get(TYPE, b"").decode(errors="replace")


def hides(letter: Letter) -> bool:
    """Whether the event hides, reveals or changes something that people see."""
    kind = BY_TAG.get(type_of(letter))
    return kind is None or kind.HIDES  # of an unknown type nobody knows


def letters_key(shelf: Shelf, partition: int) -> str:
    """The hash of a partition's letters, by name."""
    return f"{shelf}:{{{partition}}}"


def order_key(shelf: Shelf, partition: int) -> str:
    """The sorted set of their names."""
    return f"{shelf}_order:{{{partition}}}"


def shelf_keys(shelf: Shelf, partition: int) -> tuple[str, str]:
    """Both, which only ever change together."""
    return letters_key(shelf, partition), order_key(shelf, partition)


def kept_key(partition: int) -> str:
    """The positions of notices that outlive all others, because what they tell was dropped."""
    return f"kept_notices:{{{partition}}}"


def retried_key(what: Undelivered) -> str:
    """Where the letter of a retried delivery is kept for a while."""
    return f"retried:{{{what.partition}}}:{what.name}"


def _stream_of(what: Undelivered) -> str:
    return stream_key(what.topic, what.partition)


def _after(earlier: Letter, letter: Letter) -> Letter:
    """The same delivery, buried once more."""
    failure = Failure(reason=earlier.reason, attempts=earlier.attempts, buried_ms=earlier.buried_ms)
    return msgspec.structs.replace(
        letter,
        times_buried=earlier.times_buried + 1,
        earlier=(*earlier.earlier, failure)[-EARLIER_KEPT:],
    )


def _names(role: str, topic: str) -> tuple[str, str]:
    """The lexical bounds of the names of a role and topic, of a role, or of all; all are ASCII."""
    if not role:
        return "-", "+"
    prefix = f"{role} {topic} " if topic else f"{role} "
    return f"[{prefix}", f"({prefix}\x7f"


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Letter).decode
