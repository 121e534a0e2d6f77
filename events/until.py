"""What an account or a post was at a moment in the past: its history, folded up to there."""

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import msgspec

from events.arguments import rfc3339
from events.entries import open_entries
from events.envelope import Delivery
from events.history import History
from events.ids import SEQUENCES, Position, created_ms, position_of, shard_of
from events.log import Log
from events.model import Model
from events.model_decided import address_of
from events.model_rows import edge_in, post_in
from events.model_things import PUBLISHED, Thing, account_of
from runtime.errors import Invalid, NotFound

STATES = {10: "processing", 20: "rejected", 21: "published", 30: "deleted", 40: "erased"}
SECRET = frozenset({"password_hash"})
"""Nobody is helped by seeing it."""


class Then(NamedTuple):
    """One register as it stood: what it held, and the event that had set it, if one had."""

    register: str
    value: object
    set_by: str
    at: str


class Until:
    """Reads only what can concern the one thing, from its beginning on."""

    def __init__(self, log: Log, history: History, at_ms: int) -> None:
        """`Invalid` for a moment that the log has not reached."""
        self.log, self.history = log, history
        self.until = Position(at_ms, SEQUENCES - 1)
        self.model = Model()
        self.read = 0

    async def account(self, account_id: int) -> AsyncIterator[int]:
        """Read all about an account; tells how many events that were so far."""
        self._began(account_id, "account")
        self.model = Model(lambda each: each == account_id)
        home = shard_of(account_id) % self.log.partitions
        # Whom it follows, and who follows it, may be of any partition, and erased.
        everywhere = [
            (topic, partition)
            for topic in ("accounts", "graph")
            for partition in range(self.log.partitions)
        ]
        for topic, partition in [("posts", home), *everywhere]:
            async for count in self._read(topic, partition, account_id):
                yield count

    async def post(self, post_id: int) -> AsyncIterator[int]:
        """Read all about a post."""
        self._began(post_id, "post")
        home = shard_of(post_id) % self.log.partitions
        self.model = Model(lambda each: shard_of(each) == shard_of(post_id))
        for topic in ("posts", "accounts"):  # its author may be erased
            async for count in self._read(topic, home, post_id):
                yield count

    def account_then(self, account_id: int) -> list[Then]:
        """`NotFound` when no such account was ever registered."""
        thing = account_of(self.model.accounts.get(account_id, ()))
        if thing is None:
            raise NotFound("no-account", f"No account was registered with the id {account_id}.")
        posts = [post_in(self.model, each) for each in self.model.posts]
        holding = [each for each in self.model.edges if edge_in(self.model, each)["holds"].value]
        counted = {
            "posts": sum(each is not None and each["state"].value == PUBLISHED for each in posts),
            "followers": sum(followee == account_id for _, followee in holding),
            "following": sum(follower == account_id for follower, _ in holding),
        }
        told = self._told("accounts", thing)
        return told + [Then(name, count, "counted", "") for name, count in counted.items()]

    def post_then(self, post_id: int) -> list[Then]:
        """`NotFound` when nothing was ever said of such a post."""
        thing = post_in(self.model, post_id)
        if thing is None:
            raise NotFound("no-post", f"No post was submitted with the id {post_id}.")
        return self._told("posts", thing)

    def _began(self, some_id: int, what: str) -> None:
        if created_ms(some_id) > self.until.ms:
            begun = rfc3339(created_ms(some_id))
            detail = f"The {what} was not there yet at {rfc3339(self.until.ms)}: it began {begun}."
            raise NotFound("before-it-was", detail)

    async def _read(self, topic: str, partition: int, since: int) -> AsyncIterator[int]:
        first = position_of(since)
        after = Position(first.ms - 1, SEQUENCES)
        async for entries in self.history.pages(topic, partition, after=after, until=self.until):
            opened = await open_entries(self.log, topic, partition, entries)
            self.model.fold(each for each in opened if isinstance(each, Delivery))
            self.read += len(entries)
            yield self.read

    def _told(self, topic: str, thing: Thing) -> list[Then]:
        told = []
        for name, register in thing.items():
            value = "(kept to itself)" if name in SECRET else legible(name, register.value)
            address = at = ""
            if register.event:
                address = str(address_of(topic, register.event, self.log.partitions))
                at = rfc3339(created_ms(register.event))
            told.append(Then(name, value, address, at))
        return told


def check_moment(at_ms: int, now_ms: int) -> None:
    """`Invalid` of what is still to come."""
    if at_ms > now_ms:
        detail = f"{rfc3339(at_ms)} is in the future: now it is {rfc3339(now_ms)}."
        raise Invalid("in-the-future", detail)


def legible(name: str, value: Any) -> object:
    """A register's value as a person reads it; whole numbers, yes and no as they are."""
    match name:
        case "state":
            return STATES[value]
        case "photos":
            return ", ".join(map(_photo, msgspec.json.decode(value)))
        case "problem":
            return ": ".join(value) if value[0] else ""
        case "place":
            return f"{value.latitude}, {value.longitude}" if value else ""
        case "alts":
            return json.dumps(value, ensure_ascii=False) if value else ""
        case _:
            return value


def _photo(photo: dict[str, Any]) -> str:
    size = f" {photo['width']}x{photo['height']}" if "width" in photo else ""
    return f"{photo['sha256']}{size}"
