"""Writes of table `posts`: one for each event of a post's life, good in any order of arrival."""

from collections.abc import Sequence
from typing import NamedTuple

from stores.database import Database, columns, shards_of
from stores.photo_references import write_references
from stores.posts import PostState
from stores.profiles import Moves


class Submission(NamedTuple):
    """What its author wrote; the post's id is also the version of its first registers."""

    id: int
    author_id: int
    caption: str
    alts_json: str
    latitude: float | None
    longitude: float | None


async def write_submissions(db: Database, submissions: Sequence[Submission]) -> None:
    ids, author_ids, captions, alts, latitudes, longitudes = columns(submissions)
    await db.execute(
        """
        INSERT INTO posts AS p (shard, id, author_id, state, caption, caption_version,
                                alts, alts_version, latitude, longitude)
        SELECT shard, id, author_id, 10, caption, id,
               ARRAY(SELECT jsonb_array_elements_text(alts::jsonb)), id, latitude, longitude
        FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[],
                    $6::double precision[], $7::double precision[])
             AS new (shard, id, author_id, caption, alts, latitude, longitude)
        ORDER BY shard, id
        ON CONFLICT (shard, id) DO UPDATE
        SET caption = CASE WHEN excluded.caption_version > p.caption_version
                           THEN excluded.caption ELSE p.caption END,
            caption_version = GREATEST(p.caption_version, excluded.caption_version),
            alts = CASE WHEN excluded.alts_version > p.alts_version
                        THEN excluded.alts ELSE p.alts END,
            alts_version = GREATEST(p.alts_version, excluded.alts_version),
            latitude = excluded.latitude,
            longitude = excluded.longitude
        WHERE excluded.caption_version > p.caption_version
           OR excluded.alts_version > p.alts_version
        """,
        shards_of(ids),
        ids,
        author_ids,
        captions,
        alts,
        latitudes,
        longitudes,
    )


class Publication(NamedTuple):
    """What was learned of the photos, by the publication with the highest version of a batch."""

    post_id: int
    author_id: int
    published_ms: int
    """The lowest of the batch."""
    published_version: int
    photos_json: str


async def write_publications(db: Database, publications: Sequence[Publication]) -> list[Moves]:
    """Raise posts to published; keep the lowest moment and the highest version's photos."""
    ids, author_ids, moments, versions, photos = columns(publications)
    rows = await db.fetch(
        """
        INSERT INTO posts AS p (shard, id, author_id, state, published_ms, published_version,
                                photos)
        SELECT shard, id, author_id, 21, published_ms, published_version, photos::jsonb
        FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                    $6::text[])
             AS new (shard, id, author_id, published_ms, published_version, photos)
        ORDER BY shard, id
        ON CONFLICT (shard, id) DO UPDATE
        SET state = GREATEST(p.state, excluded.state),
            published_ms = LEAST(p.published_ms, excluded.published_ms),
            photos = CASE WHEN excluded.published_version > p.published_version
                          THEN excluded.photos ELSE p.photos END,
            published_version = GREATEST(p.published_version, excluded.published_version)
        WHERE p.author_id = excluded.author_id
          AND (excluded.published_version > p.published_version
               OR p.published_ms IS NULL OR excluded.published_ms < p.published_ms)
        RETURNING new.author_id, coalesce(old.state, 0) AS old_state, new.state AS new_state
        """,
        shards_of(ids),
        ids,
        author_ids,
        moments,
        versions,
        photos,
    )
    await write_references(db, ids)
    return [_move(row["author_id"], row["old_state"], row["new_state"]) for row in rows]


class Renewal(NamedTuple):
    """The photos of a post in a newer recipe, by the latest event of a batch that has them."""

    post_id: int
    author_id: int
    version: int
    photos_json: str


async def write_renewals(db: Database, renewals: Sequence[Renewal]) -> None:
    """Keep the highest version's photos; whether the post is published is not told by this."""
    ids, author_ids, versions, photos = columns(renewals)
    await db.execute(
        """
        INSERT INTO posts AS p (shard, id, author_id, state, published_version, photos)
        SELECT shard, id, author_id, 10, version, photos::jsonb
        FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[])
             AS new (shard, id, author_id, version, photos)
        ORDER BY shard, id
        ON CONFLICT (shard, id) DO UPDATE
        SET photos = excluded.photos, published_version = excluded.published_version
        WHERE p.author_id = excluded.author_id
          AND excluded.published_version > p.published_version
        """,
        shards_of(ids),
        ids,
        author_ids,
        versions,
        photos,
    )
    await write_references(db, ids)


class Rejection(NamedTuple):
    """Why a post cannot be shown."""

    post_id: int
    author_id: int
    version: int
    code: str
    detail: str


async def write_rejections(db: Database, rejections: Sequence[Rejection]) -> None:
    """No counter moves: a rejected post was not published, and a published one stays so."""
    ids, author_ids, versions, codes, details = columns(rejections)
    await db.execute(
        """
        INSERT INTO posts AS p (shard, id, author_id, state, problem_code, problem_detail,
                                problem_version)
        SELECT shard, id, author_id, 20, code, detail, version
        FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[],
                    $6::text[]) AS new (shard, id, author_id, version, code, detail)
        ORDER BY shard, id
        ON CONFLICT (shard, id) DO UPDATE
        SET state = GREATEST(p.state, excluded.state),
            problem_code = excluded.problem_code,
            problem_detail = excluded.problem_detail,
            problem_version = excluded.problem_version
        WHERE p.author_id = excluded.author_id AND excluded.problem_version > p.problem_version
        """,
        shards_of(ids),
        ids,
        author_ids,
        versions,
        codes,
        details,
    )


async def authors_of(db: Database, post_ids: Sequence[int]) -> dict[int, int]:
    """Whose each post is; those without a row are missing."""
    rows = await db.fetch(
        """
        SELECT p.id, p.author_id
        FROM unnest($1::smallint[], $2::bigint[]) AS wanted (shard, id)
        JOIN posts AS p USING (shard, id)
        """,
        shards_of(post_ids),
        list(post_ids),
    )
    return {row["id"]: row["author_id"] for row in rows}


async def write_deletions(db: Database, post_ids: Sequence[int]) -> list[Moves]:
    """Raise posts to deleted; whether the one who asked may do that is settled before."""
    rows = await db.fetch(
        """
        UPDATE posts AS p
        SET state = 30
        FROM unnest($1::smallint[], $2::bigint[]) AS gone (shard, id)
        WHERE p.shard = gone.shard AND p.id = gone.id AND p.state < 30
        RETURNING p.author_id, old.state AS old_state, new.state AS new_state
        """,
        shards_of(post_ids),
        list(post_ids),
    )
    await write_references(db, post_ids)
    return [_move(row["author_id"], row["old_state"], row["new_state"]) for row in rows]


async def set_deletion_moments(db: Database, moments: Sequence[tuple[int, int]]) -> None:
    """Keep, for each (post id, Unix ms of a deletion), the lowest moment."""
    post_ids, deleted_ms = columns(moments)
    await db.execute(
        """
        UPDATE posts AS p
        SET deleted_ms = gone.ms
        FROM (SELECT shard, id, min(ms) AS ms
              FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS deletion (shard, id, ms)
              GROUP BY shard, id) AS gone
        WHERE p.shard = gone.shard AND p.id = gone.id
          AND (p.deleted_ms IS NULL OR p.deleted_ms > gone.ms)
        """,
        shards_of(post_ids),
        post_ids,
        deleted_ms,
    )


def _move(author_id: int, old_state: int, new_state: int) -> Moves:
    counted = PostState.PUBLISHED
    return Moves(author_id, posts=(new_state == counted) - (old_state == counted))
