"""The photos that published posts show, each once, as the rows of `posts` tell of them."""

from typing import NamedTuple

import msgspec

from events.posts import RenderedPhoto
from stores.database import Database

_photo = msgspec.json.Decoder(RenderedPhoto)


class Shown(NamedTuple):
    """A photo, and one of the posts that show it."""

    photo: RenderedPhoto
    post_id: int


async def shown_photos(db: Database, after: Shown | None, limit: int) -> list[Shown]:
    """A page of them, in the order of their digests and recipes."""
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
