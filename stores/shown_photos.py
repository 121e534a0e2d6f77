"""The photos that published posts show, as the rows of `posts` tell of them."""

from typing import NamedTuple

import msgspec

from events.ids import shard_of
from events.posts import RenderedPhoto
from stores.database import Database

_photo = msgspec.json.Decoder(RenderedPhoto)
_photos = msgspec.json.Decoder(tuple[RenderedPhoto, ...])


class Shown(NamedTuple):
    """A photo, and one of the posts that show it."""

    photo: RenderedPhoto
    post_id: int


class Outdated(NamedTuple):
    """A published post that shows a photo in a recipe of the past."""

    post_id: int
    author_id: int
    photos: tuple[RenderedPhoto, ...]


async def shown_photos(db: Database, after: Shown | None, limit: int) -> list[Shown]:
    """A page of them, each photo once, in the order of their digests and recipes."""
    rows = await db.fetch(
        """
        SELECT DISTINCT ON (r.sha256, photo ->> 'recipe') photo::text AS photo, p.id
        FROM photo_references AS r
        JOIN posts AS p ON p.shard = r.shard AND p.id = r.post_id
        CROSS JOIN jsonb_array_elements(p.photos) AS photo
        WHERE photo ->> 'sha256' = encode(r.sha256, 'hex')
          AND r.sha256 >= $1 AND (r.sha256, photo ->> 'recipe') > ($1, $2)
        ORDER BY r.sha256, photo ->> 'recipe', p.id
        LIMIT $3
        """,
        bytes.fromhex(after.photo.sha256) if after else b"",
        after.photo.recipe if after else "",
        limit,
    )
    return [Shown(_photo.decode(row["photo"]), row["id"]) for row in rows]


async def outdated_posts(
    db: Database, recipe: str, after: Outdated | None, limit: int
) -> list[Outdated]:
    """A page of those that show a photo in another recipe, by shard and id."""
    rows = await db.fetch(
        """
        SELECT id, author_id, photos::text AS photos
        FROM posts
        WHERE state = 21 AND (shard, id) > ($1, $2)
          AND jsonb_path_exists(
                  photos, '$[*] ? (@.recipe != $recipe)', jsonb_build_object('recipe', $3::text)
              )
        ORDER BY shard, id
        LIMIT $4
        """,
        shard_of(after.post_id) if after else -1,
        after.post_id if after else 0,
        recipe,
        limit,
    )
    return [Outdated(row["id"], row["author_id"], _photos.decode(row["photos"])) for row in rows]
