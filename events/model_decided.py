"""Which events decided what a row must hold: of each register the one that set it last."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from events.envelope import Delivery
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.ids import Address, position_of, shard_of
from events.model import Model
from events.model_rows import edge_in, post_in
from events.model_things import Thing, account_of
from events.posts import (
    PostDeleted,
    PostPublished,
    PostRejected,
    PostRerendered,
    PostSubmitted,
)

FEEDS = "feed_windows"
Key = tuple[int, ...]

_REGISTERS = {
    "latitude": "place",
    "longitude": "place",
    "published_version": "photos",
    "problem_code": "problem",
    "problem_detail": "problem",
    "password_version": "password_hash",
    "accepted": "verdict",
    "accepted_wish": "verdict",
}


def decided_by(
    model: Model, partitions: int, table: str, key: Sequence[str], columns: Collection[str]
) -> list[Address]:
    """The events behind some columns of a row, or behind all of it when none are named."""
    ids: list[tuple[str, int]] = []
    for topic, thing in _things(model, table, key):
        wanted = set(thing) if not columns else {_register(each) for each in columns}
        if "holds" in wanted:
            wanted |= {"wish", "withdrawn", "verdict"}
        ids += [(topic, thing[name].event) for name in wanted if name in thing]
    found = {address_of(topic, event, partitions) for topic, event in ids if event}
    return sorted(found, key=lambda each: each.position)


def address_of(topic: str, event_id: int, partitions: int) -> Address:
    """Where an event stands: in its actor's partition, whose shard is in its id."""
    return Address(topic, shard_of(event_id) % partitions, position_of(event_id))


def touched_by(delivery: Delivery[Any]) -> Iterator[tuple[str, Key]]:
    """The rows that an event changes, and those it makes others change: of each table the key.

    Of windows either the post or the two people.
    """
    event, actor = delivery.event, delivery.actor
    yield "accounts", (actor,)
    post_id = delivery.id if isinstance(event, PostSubmitted) else 0
    if isinstance(event, PostPublished | PostRejected | PostRerendered | PostDeleted):
        post_id = event.post_id
    if post_id or event.TOPIC == "work":
        post_id = post_id or event.post_id
        yield "posts", (post_id,)
        yield "photo_references", (post_id,)
        yield FEEDS, (post_id,)
    edge = None
    if isinstance(event, FollowRequested | Unfollowed):
        edge = actor, event.followee_id
    elif isinstance(event, FollowAccepted):
        edge = event.follower_id, actor
    if edge:
        yield "following", edge
        yield "followers", edge[::-1]
        yield FEEDS, edge
        yield from (("accounts", (each,)) for each in edge)


def _things(model: Model, table: str, key: Sequence[str]) -> Iterator[tuple[str, Thing]]:
    ids = [int(each) for each in key if each.isdigit()]
    match table:
        case "accounts":
            thing = account_of(model.accounts.get(ids[0], ()))
            if thing:
                yield "accounts", thing
        case "posts" | "photo_references":
            thing = post_in(model, ids[0])
            if thing:
                yield "posts", thing
        case "following":
            yield "graph", edge_in(model, (ids[0], ids[1]))
        case "followers":
            yield "graph", edge_in(model, (ids[1], ids[0]))
        case _:
            viewer, post, author = ids
            yield "graph", edge_in(model, (viewer, author))
            thing = post_in(model, post)
            if thing:
                yield "posts", {name: thing[name] for name in ("state", "published_ms")}


def _register(column: str) -> str:
    return _REGISTERS.get(column, column.removesuffix("_version"))
