"""Table `storage.ledger`: what lies in the bucket, and how each photo stands.

Nothing here deletes bytes; `workers/sweeping.py` does, of photos that are due.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from stores.database import Database
from stores.stored_photos import StoredPhoto

GRACE = timedelta(days=1)
"""Far beyond the time from storing a photo to the row that shows it."""
QUARANTINE = timedelta(days=7)
KEPT = timedelta(days=30)
"""What an operator restored is left alone for as long as mending its cause may take."""


class Standing(StrEnum):
    """Of a stored photo, as one pass finds it."""

    REFERENCED = "referenced"
    KEPT = "kept"
    """Nobody references it, but an operator took it out of quarantine."""
    YOUNG = "young"
    """Nobody references it, but somebody may be about to."""
    MARKED = "marked"
    """In quarantine from this pass on."""
    QUARANTINED = "quarantined"
    """For seven days from its mark, or from the deletion of a post that showed it since."""
    DUE = "due"
    """Its quarantine is over; or only erased accounts' posts showed it, which need none."""


class Judgement(NamedTuple):
    """How a photo stands; `why` says what marked it."""

    standing: Standing
    why: str | None


_JUDGED = """
    SELECT l.sha256, s.standing, g.erased,
           CASE WHEN k.why = 'being swept' AND s.standing = 'due' THEN k.why
                WHEN g.erased                                     THEN 'erased'
                                                                  ELSE 'unreferenced' END AS why
    FROM unnest($1::bytea[], $2::timestamptz[]) AS l (sha256, newest)
    LEFT JOIN storage.ledger AS k ON k.shard = storage.shard_of(l.sha256) AND k.sha256 = l.sha256
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM photo_references AS r WHERE r.sha256 = l.sha256) AS referenced
        OFFSET 0) AS r  -- asked once, and the other only where it matters
    CROSS JOIN LATERAL (
        SELECT coalesce(bool_and(p.state = 40), false) AS erased,
               to_timestamp(max(p.deleted_ms) / 1000.0) AS latest
        FROM posts AS p
        WHERE NOT r.referenced
          AND p.state >= 30
          AND p.photos @> jsonb_build_array(
                  jsonb_build_object('sha256', encode(l.sha256, 'hex')))) AS g
    CROSS JOIN LATERAL (
        SELECT CASE WHEN r.referenced                         THEN 'referenced'
                    WHEN g.erased                             THEN 'due'
                    WHEN k.kept_until > now()                 THEN 'kept'
                    WHEN l.newest > now() - $3::interval      THEN 'young'
                    WHEN k.marked_at IS NULL                  THEN 'marked'
                    WHEN greatest(k.marked_at, g.latest)
                         > now() - $4::interval               THEN 'quarantined'
                                                              ELSE 'due' END AS standing) AS s
"""

_ENTERED = """
    INSERT INTO storage.ledger AS k (shard, sha256, objects, bytes, marked_at, why)
    SELECT storage.shard_of(sha256), sha256, objects, bytes,
           CASE WHEN why IS NOT NULL THEN now() END, why
    FROM unnest($1::bytea[], $2::integer[], $3::bigint[], $4::text[])
         AS new (sha256, objects, bytes, why)
    ON CONFLICT (shard, sha256) DO UPDATE
    SET objects = excluded.objects,
        bytes = excluded.bytes,
        marked_at = CASE WHEN excluded.why IS NOT NULL
                         THEN coalesce(k.marked_at, excluded.marked_at) END,
        why = excluded.why
    WHERE (k.objects, k.bytes, k.why) IS DISTINCT FROM
          (excluded.objects, excluded.bytes, excluded.why)
      -- Restored since it was judged.
      AND (excluded.why IS NULL OR coalesce(k.kept_until, now()) <= now())
"""


async def judge(db: Database, photos: Sequence[StoredPhoto]) -> dict[str, Judgement]:
    """How each of these stands; writes nothing."""
    rows = await db.fetch(_JUDGED, *_judged(photos))
    marks = (Standing.MARKED, Standing.QUARANTINED, Standing.DUE)
    return {
        row["sha256"].hex(): Judgement(
            Standing(row["standing"]), row["why"] if row["standing"] in marks else None
        )
        for row in rows
    }


async def record(
    db: Database,
    photos: Sequence[StoredPhoto],
    judged: Mapping[str, Judgement],
    *,
    after: str,
    through: str,
) -> None:
    """Enter what a stretch of the listing holds: all photos between these two, the latter included.

    Marks begin now or stay as old as they are; whoever is referenced again has none.
    """
    await db.execute(
        f"""
        WITH vanished AS (
            DELETE FROM storage.ledger
            WHERE (shard, sha256) > (storage.shard_of($5), $5::bytea)
              AND (shard, sha256) <= (storage.shard_of($6), $6::bytea)
              AND sha256 <> ALL ($1::bytea[])
        )
        {_ENTERED}
        """,  # noqa: S608 - the statement above
        *_entered(photos, judged),
        bytes.fromhex(after),
        bytes.fromhex(through),
    )


async def enter(
    db: Database, photos: Sequence[StoredPhoto], judged: Mapping[str, Judgement]
) -> None:
    """Enter photos that were looked for one by one; nothing is said of any other."""
    await db.execute(_ENTERED, *_entered(photos, judged))


async def doom(db: Database, photos: Sequence[StoredPhoto]) -> set[str]:
    """Those that are due still, now not to be restored any more."""
    rows = await db.fetch(
        f"""
        WITH judged AS ({_JUDGED})
        UPDATE storage.ledger AS k
        SET why = 'being swept'
        FROM judged AS j
        WHERE k.shard = storage.shard_of(j.sha256) AND k.sha256 = j.sha256 AND j.standing = 'due'
          AND (j.erased OR coalesce(k.kept_until, now()) <= now())
        RETURNING k.sha256
        """,  # noqa: S608 - the statement above
        *_judged(photos),
    )
    return {row["sha256"].hex() for row in rows}


async def strike_out(db: Database, photos: Collection[str]) -> None:
    """They are no longer in the bucket."""
    await db.execute(
        """
        DELETE FROM storage.ledger AS k
        USING unnest($1::bytea[]) AS gone (sha256)
        WHERE k.shard = storage.shard_of(gone.sha256) AND k.sha256 = gone.sha256
        """,
        [bytes.fromhex(each) for each in sorted(photos)],
    )


async def restore(db: Database, photo: str) -> bool:
    """Take it out of quarantine for 30 days; False when it is in none, or being swept already.

    Nor what only erased accounts showed: that is to go at once.
    """
    restored = await db.fetchval(
        """
        UPDATE storage.ledger
        SET marked_at = NULL, why = NULL, kept_until = now() + $2::interval
        WHERE shard = storage.shard_of($1) AND sha256 = $1::bytea
          AND marked_at IS NOT NULL AND why NOT IN ('being swept', 'erased')
        RETURNING true
        """,
        bytes.fromhex(photo),
        KEPT,
    )
    return bool(restored)


def _judged(photos: Sequence[StoredPhoto]) -> tuple[Any, ...]:
    shas = [bytes.fromhex(each.sha256) for each in photos]
    return shas, [each.newest for each in photos], GRACE, QUARANTINE


def _entered(photos: Sequence[StoredPhoto], judged: Mapping[str, Judgement]) -> tuple[Any, ...]:
    return (
        [bytes.fromhex(each.sha256) for each in photos],
        [len(each.keys) for each in photos],
        [each.size_bytes for each in photos],
        [judged[each.sha256].why for each in photos],
    )
