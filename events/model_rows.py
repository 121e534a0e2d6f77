"""The model's state as the rows that tables must hold, in the order of their columns."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from events.ids import shard_of
from events.model import Edge, Model
from events.model_things import PUBLISHED, Thing, account_of, author_of, edge_of, erased_by, post_of

Row = tuple[Any, ...]
Owners = Collection[int] | None
"""What stands first in a row's key after the shard; None: all there are."""

_photos = msgspec.json.Decoder(list[dict[str, Any]])


class Tally(NamedTuple):
    """The counters, counted: of each account its published posts, followers and followees."""

    posts: Counter[int]
    followers: Counter[int]
    following: Counter[int]


def tally_of(model: Model, accounts: Owners = None) -> Tally:
    """Of all accounts, or of these: then the others' figures are not whole."""
    tally = Tally(Counter(), Counter(), Counter())
    for post_id, facts in model.posts.items():
        if accounts is None or author_of(facts) in accounts:
            for _, post in posts_of(model, [post_id]):
                tally.posts[post["author_id"].value] += post["state"].value == PUBLISHED
    for (follower_id, followee_id), edge in edges_of(model, lambda edge: _among(edge, accounts)):
        if edge["holds"].value:
            tally.followers[followee_id] += 1
            tally.following[follower_id] += 1
    return tally


def posts_of(model: Model, ids: Owners = None) -> Iterator[tuple[int, Thing]]:
    """Those whose author is here: a row has its account's beside it."""
    for post_id in model.posts if ids is None else ids:
        post = post_in(model, post_id)
        if post and is_here(model, post["author_id"].value):
            yield post_id, post


def edges_of(
    model: Model, wanted: Callable[[Edge], bool] = lambda _: True
) -> Iterator[tuple[Edge, Thing]]:
    """Those both of whose ends are here."""
    for edge in model.edges:
        if wanted(edge) and is_here(model, edge[0]) and is_here(model, edge[1]):
            yield edge, edge_in(model, edge)


def post_in(model: Model, post_id: int) -> Thing | None:
    """A post, as far as the model knows its author."""
    facts = model.posts.get(post_id, ())
    author_id = author_of(facts)
    if author_id is None:
        return None
    return post_of(facts, erased_by(model.accounts.get(author_id, ())))


def edge_in(model: Model, edge: Edge) -> Thing:
    """An edge, whose registers nobody set where nothing was said of it."""
    follower_gone, followee_gone = (erased_by(model.accounts.get(each, ())) for each in edge)
    return edge_of(model.edges.get(edge, ()), (follower_gone, followee_gone))


def is_here(model: Model, account_id: int) -> bool:
    return any(what == "username" for _, what, _ in model.accounts.get(account_id, ()))


def rows_of(
    model: Model, table: str, *, owners: Owners = None, shards: Collection[int] = ()
) -> Iterator[Row]:
    """A table's rows; only those of these owners, and only of these shards, if any are named."""
    for row in _TABLES[table](model, owners):
        if not shards or row[0] in shards:
            yield row


def _accounts(model: Model, owners: Owners) -> Iterator[Row]:
    tally = tally_of(model, owners)
    for account_id in model.accounts if owners is None else owners:
        thing = account_of(model.accounts.get(account_id, ()))
        if thing and "password_hash" in thing:  # not so of those who are not kept
            yield account_row(account_id, thing, tally)


def account_row(account_id: int, thing: Thing, tally: Tally) -> Row:
    registers = (thing[each] for each in ("display_name", "bio", "private", "password_hash"))
    return (
        shard_of(account_id),
        account_id,
        thing["username"].value,
        *(part for register in registers for part in register),
        thing["erased"].event,
        tally.posts[account_id],
        tally.followers[account_id],
        tally.following[account_id],
    )


def _posts(model: Model, owners: Owners) -> Iterator[Row]:
    for post_id, thing in posts_of(model, owners):
        place = thing["place"].value
        yield (
            shard_of(post_id),
            post_id,
            thing["author_id"].value,
            thing["state"].value,
            *thing["caption"],
            *thing["alts"],
            place.latitude if place else None,
            place.longitude if place else None,
            thing["published_ms"].value,
            thing["photos"].event,
            thing["photos"].value.decode(),
            *thing["problem"].value,
            thing["problem"].event,
            thing["deleted_ms"].value,
        )


def _photo_references(model: Model, owners: Owners) -> Iterator[Row]:
    for post_id, thing in posts_of(model, owners):
        if thing["state"].value == PUBLISHED:
            for sha256 in {each["sha256"] for each in _photos.decode(thing["photos"].value)}:
                yield shard_of(post_id), post_id, bytes.fromhex(sha256)


def _following(model: Model, owners: Owners) -> Iterator[Row]:
    chosen = edges_of(model, lambda edge: _among(edge[:1], owners))
    for (follower_id, followee_id), thing in chosen:
        yield shard_of(follower_id), follower_id, followee_id, *_registers(thing)


def _followers(model: Model, owners: Owners) -> Iterator[Row]:
    chosen = edges_of(model, lambda edge: _among(edge[1:], owners))
    for (follower_id, followee_id), thing in chosen:
        yield shard_of(followee_id), followee_id, follower_id, *_registers(thing)


def _among(ids: Sequence[int], owners: Owners) -> bool:
    return owners is None or any(each in owners for each in ids)


def _registers(thing: Thing) -> Row:
    answered, version, yes = thing["verdict"].value
    wish, withdrawn = thing["wish"], thing["withdrawn"].event
    return wish.value, wish.event, withdrawn, yes, answered, version, thing["holds"].value


_TABLES: Mapping[str, Any] = {
    "accounts": _accounts,
    "posts": _posts,
    "photo_references": _photo_references,
    "following": _following,
    "followers": _followers,
}
