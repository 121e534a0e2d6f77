-- Fan-out decides once for each post whether it is pushed or pulled. Those there are were pushed.

ALTER TABLE heliograph.posts ADD COLUMN pulled boolean;

CREATE INDEX pulled_posts ON heliograph.posts (shard, author_id, published_ms DESC, id DESC)
    WHERE state = 21 AND pulled;
