-- Heliograph's tables: what the events of the log add up to. Every row can be built again from them.
-- version: 3
--
-- Every table starts with `shard`, the home of the account that owns the row, checked against the
-- id's own bits: ids are `40 ms since 2026 | 13 shard | 10 sequence`, so that rows of one owner
-- stay together when the tables are distributed. A `..._version` column holds the id of the event
-- that set the register beside it; a write with a lower version changes nothing.
-- Rows are never removed while something may point at them: they become tombstones.

CREATE SCHEMA heliograph;
SET LOCAL search_path TO heliograph;

CREATE TABLE schema_version (version integer NOT NULL);
INSERT INTO schema_version VALUES (3);

CREATE FUNCTION shard_of(id bigint) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (id >> 10 & 8191)::smallint;


-- Who is here. The id is that of the `account.registered` event.
CREATE TABLE accounts (
    shard                 smallint NOT NULL CHECK (shard = shard_of(id)),
    id                    bigint   NOT NULL,
    username              text     NOT NULL,      -- case-folded; reserved for ever
    display_name          text     NOT NULL,
    display_name_version  bigint   NOT NULL,
    bio                   text     NOT NULL DEFAULT '',
    bio_version           bigint   NOT NULL DEFAULT 0,
    private               boolean  NOT NULL DEFAULT false,
    private_version       bigint   NOT NULL DEFAULT 0,
    password_hash         text     NOT NULL,      -- argon2id, in its own encoded form
    password_version      bigint   NOT NULL,
    -- 0, or the account.erased event: then every text above but the username is empty, nobody
    -- follows or is followed, and every post is erased.
    erased_version        bigint   NOT NULL DEFAULT 0,
    -- Counters move only by what a statement returns as its old and new rows.
    posts                 integer  NOT NULL DEFAULT 0,   -- published and still there
    followers             integer  NOT NULL DEFAULT 0,
    following             integer  NOT NULL DEFAULT 0,
    PRIMARY KEY (shard, id),
    UNIQUE (shard, username)
);


-- What people posted. The id is that of the `post.submitted` event; `created_at` is in the id.
CREATE TABLE posts (
    shard              smallint NOT NULL CHECK (shard = shard_of(id)),
    id                 bigint   NOT NULL,
    author_id          bigint   NOT NULL,
    -- A ladder; a row keeps its highest rung:
    -- 10 processing, 20 rejected, 21 published, 30 deleted, 40 erased. An erased one has no words:
    -- texts, place and problem are empty, of photos only the digests stay, to find their bytes by.
    state              smallint NOT NULL,
    caption            text     NOT NULL DEFAULT '',
    caption_version    bigint   NOT NULL DEFAULT 0,     -- 0: post.submitted is still to come
    alts               text[]   NOT NULL DEFAULT '{}',  -- one a photo, missing ones are empty
    alts_version       bigint   NOT NULL DEFAULT 0,
    latitude           double precision,                -- as the author chose to say, never EXIF
    longitude          double precision,
    published_ms       bigint,                          -- Unix ms of the lowest post.published
    published_version  bigint   NOT NULL DEFAULT 0,     -- the event whose photos are kept
    photos             jsonb    NOT NULL DEFAULT '[]',  -- array of events.posts.RenderedPhoto
    problem_code       text,                            -- why it was rejected
    problem_detail     text,
    problem_version    bigint   NOT NULL DEFAULT 0,
    -- Unix ms of the lowest post.deleted. A post that was published no earlier was never shown.
    deleted_ms         bigint,
    PRIMARY KEY (shard, id),
    FOREIGN KEY (shard, author_id) REFERENCES accounts
);

-- A profile's list and the pull of a feed: newest publication first, ties by id.
CREATE INDEX posts_of_author ON posts (shard, author_id, published_ms DESC, id DESC)
    WHERE state = 21;


-- Which photos published posts show, by the digest of the uploaded bytes, which are stored once
-- whoever shares them. A function of the post's row, written in the same transaction: a post has
-- references while it is published, none before and none after. The collector asks whether
-- anybody references a photo, and which deleted or erased posts showed it (docs/decisions/0008).
CREATE TABLE photo_references (
    shard    smallint NOT NULL CHECK (shard = shard_of(post_id)),
    post_id  bigint   NOT NULL,
    sha256   bytea    NOT NULL,
    PRIMARY KEY (shard, post_id, sha256),
    FOREIGN KEY (shard, post_id) REFERENCES posts ON DELETE CASCADE
);

CREATE INDEX references_to_photo ON photo_references (sha256);
CREATE INDEX photos_of_deleted ON posts USING gin (photos jsonb_path_ops) WHERE state >= 30;


-- Who follows whom, once for each side, so that both lists are one shard's business.
-- Two registers: the follower's wish and the followee's verdict, which names the wish it answers.
-- They come from different partitions and are never compared with each other.
-- A verdict on a later wish beats one on an earlier wish, whenever either was announced: two
-- workers may announce them in the wrong order. Of verdicts on one wish the later counts.
CREATE TABLE following (
    shard              smallint NOT NULL CHECK (shard = shard_of(follower_id)),
    follower_id        bigint   NOT NULL,
    followee_id        bigint   NOT NULL,
    wish               boolean  NOT NULL DEFAULT false,
    wish_version       bigint   NOT NULL DEFAULT 0,
    withdrawn_version  bigint   NOT NULL DEFAULT 0,     -- the highest withdrawal; ends what it follows
    accepted           boolean,                         -- null: no verdict yet
    accepted_wish      bigint   NOT NULL DEFAULT 0,     -- the wish_version the verdict answers
    verdict_version    bigint   NOT NULL DEFAULT 0,
    holds              boolean  NOT NULL GENERATED ALWAYS AS
                       (wish AND coalesce(accepted, false) AND accepted_wish > withdrawn_version) STORED,
    PRIMARY KEY (shard, follower_id, followee_id)
);

CREATE TABLE followers (
    shard              smallint NOT NULL CHECK (shard = shard_of(followee_id)),
    followee_id        bigint   NOT NULL,
    follower_id        bigint   NOT NULL,
    wish               boolean  NOT NULL DEFAULT false,
    wish_version       bigint   NOT NULL DEFAULT 0,
    withdrawn_version  bigint   NOT NULL DEFAULT 0,
    accepted           boolean,
    accepted_wish      bigint   NOT NULL DEFAULT 0,
    verdict_version    bigint   NOT NULL DEFAULT 0,
    holds              boolean  NOT NULL GENERATED ALWAYS AS
                       (wish AND coalesce(accepted, false) AND accepted_wish > withdrawn_version) STORED,
    PRIMARY KEY (shard, followee_id, follower_id)
);

-- Ranges of followers for fan-out, and the newest-first lists people read.
CREATE INDEX holding_followers ON followers (shard, followee_id, follower_id) WHERE holds;
CREATE INDEX newest_followers  ON followers (shard, followee_id, wish_version DESC) WHERE holds;
CREATE INDEX newest_following  ON following (shard, follower_id, wish_version DESC) WHERE holds;
-- Wishes that wait for their owner: all are accepted when a private account goes public.
CREATE INDEX waiting_wishes    ON followers (shard, followee_id, wish_version) WHERE wish AND NOT holds;


-- apart: what follows stands beside the schema that a rebuild makes again and swaps, and may refer
-- to nothing in it.


-- Keys of accounts, wrapped by the site secret, copied from the log. Destroying one erases what it
-- sealed, in every event ever.
CREATE SCHEMA vault;
CREATE TABLE vault.account_keys (
    shard       smallint NOT NULL CHECK (shard = (account_id >> 10 & 8191)),
    account_id  bigint   NOT NULL,
    wrapped     bytea    NOT NULL,
    PRIMARY KEY (shard, account_id)
);


-- What lies in the bucket, a row for each photo, as the collector last found it: no event tells of
-- it, only the bucket does. The shard is the photo's own, the first 13 bits of its digest.
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
