-- What posts show and what lies in the bucket, so that bytes nobody shows can be collected; and when
-- a post was deleted, so that one published later is not told as gone to whom it was never shown.

CREATE TABLE heliograph.photo_references (
    shard    smallint NOT NULL CHECK (shard = heliograph.shard_of(post_id)),
    post_id  bigint   NOT NULL,
    sha256   bytea    NOT NULL,
    PRIMARY KEY (shard, post_id, sha256),
    FOREIGN KEY (shard, post_id) REFERENCES heliograph.posts ON DELETE CASCADE
);

INSERT INTO heliograph.photo_references (shard, post_id, sha256)
SELECT DISTINCT shard, id, decode(photo ->> 'sha256', 'hex')
FROM heliograph.posts, jsonb_array_elements(photos) AS photo
WHERE state = 21;

CREATE INDEX references_to_photo ON heliograph.photo_references (sha256);
CREATE INDEX photos_of_deleted ON heliograph.posts USING gin (photos jsonb_path_ops) WHERE state >= 30;

ALTER TABLE heliograph.posts ADD COLUMN deleted_ms bigint;

CREATE SCHEMA storage;
CREATE FUNCTION storage.shard_of(sha256 bytea) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (get_byte(sha256, 0) << 5 | get_byte(sha256, 1) >> 3)::smallint;

CREATE TABLE storage.ledger (
    shard       smallint    NOT NULL CHECK (shard = storage.shard_of(sha256)),
    sha256      bytea       NOT NULL CHECK (octet_length(sha256) = 32),
    objects     integer     NOT NULL,           -- original, renditions and manifests
    bytes       bigint      NOT NULL,           -- of all of them
    first_seen  timestamptz NOT NULL DEFAULT now(),
    marked_at   timestamptz,                    -- in quarantine since
    why         text,                           -- unreferenced, erased, or being swept
    kept_until  timestamptz,                    -- an operator took it out of quarantine
    PRIMARY KEY (shard, sha256)
);

-- One row for each pass over the bucket. The one without an end is under way, or was broken off and
-- is gone on with.
CREATE TABLE storage.passes (
    begun_at  timestamptz NOT NULL PRIMARY KEY,
    ended_at  timestamptz,
    through   bytea       NOT NULL,  -- every photo up to this one was looked at
    tally     jsonb       NOT NULL   -- of those: photos, objects and bytes, by standing
);
