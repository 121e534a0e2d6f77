"""Every figure a process publishes at /metrics, declared once; units stand in the names."""

from prometheus_client import Counter, Gauge, Histogram

QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

# Gateways.
request_seconds = Histogram(
    "heliograph_request_seconds",
    "From the request's first byte to the answer's last.",
    ["route", "method", "status"],
    buckets=QUICK,
)
append_seconds = Histogram(
    "heliograph_append_seconds",
    "One append to the log, from call to durable answer.",
    ["outcome"],
    buckets=QUICK,
)
feed_slices = Counter(
    "heliograph_feed_slices",
    "Slices of feeds by the window's answer: hit; miss (built anew); below its floor; cache away.",
    ["window"],
)
feed_builds = Counter(
    "heliograph_feed_builds",
    "Feed windows built: kept; unkept (another process built it, or the cache is away); refused "
    "(PostgreSQL is away, or too many at once).",
    ["end"],
)
feed_turns_waiting = Gauge(
    "heliograph_feed_turns_waiting",
    "Who waits for PostgreSQL to read a page of a feed, or a window.",
    ["lane"],
)
express_pages = Counter(
    "heliograph_express_pages",
    "Pages of the feed begun the express way: served; left to the ordinary way, which is slower.",
    ["outcome"],
)
refused_requests = Counter(
    "heliograph_refused_requests",
    "Requests refused because of a limit or a lack of room, by the problem's code.",
    ["code"],
)
requests_in_flight = Gauge("heliograph_requests_in_flight", "Requests under way in this process.")
uploads_in_flight = Gauge("heliograph_uploads_in_flight", "Uploads under way in this process.")
uploads_in_flight_bytes = Gauge(
    "heliograph_uploads_in_flight_bytes", "What the uploads under way announced together."
)
upload_wait_seconds = Gauge(
    "heliograph_upload_wait_seconds", "Age of the accepted upload that is next in turn."
)
log_memory_ratio = Gauge(
    "heliograph_log_memory_ratio", "Used of the log's memory; from 0.80 on commands are refused."
)
log_disk_free_ratio = Gauge(
    "heliograph_log_disk_free_ratio",
    "Free of the log's disk, where it is this machine's; from 0.05 on commands are refused.",
)
log_clock_skew_seconds = Gauge(
    "heliograph_log_clock_skew_seconds", "How far the log server's clock is ahead of ours."
)

# Workers; a role is a consumer group.
group_lag_entries = Gauge(
    "heliograph_group_lag_entries", "Entries the group has not been given yet.", ["role", "topic"]
)
group_lag_seconds = Gauge(
    "heliograph_group_lag_seconds", "Age of the oldest entry not yet done.", ["role", "topic"]
)
group_pending = Gauge(
    "heliograph_group_pending", "Entries given to a worker and not yet done.", ["role", "topic"]
)
redeliveries = Counter(
    "heliograph_redeliveries", "Deliveries that were not the entry's first.", ["role"]
)
dead_letters = Counter("heliograph_dead_letters", "Deliveries buried.", ["role", "reason"])
dead_letters_standing = Gauge(
    "heliograph_dead_letters_standing",
    "Buried deliveries that wait to be retried or dropped.",
    ["role"],
)
handler_seconds = Histogram(
    "heliograph_handler_seconds", "One call of a handler.", ["role", "type"], buckets=SLOW
)
batch_deliveries = Histogram(
    "heliograph_batch_deliveries", "Deliveries in one call of a handler.", ["role"], buckets=SIZES
)

# The archive.
archive_lag_seconds = Gauge(
    "heliograph_archive_lag_seconds",
    "Age of the oldest entry that is not archived: what a lost log would cost.",
    ["topic"],
)
archive_stopped = Gauge(
    "heliograph_archive_stopped",
    "Partitions of a topic whose archive does not go on, for something is wrong with its chain.",
    ["topic"],
)
archive_segments = Counter("heliograph_archive_segments", "Segments stored.", ["topic"])
archive_entries = Counter("heliograph_archive_entries", "Entries in these segments.", ["topic"])
archive_bytes = Counter("heliograph_archive_bytes", "Bytes of these segments.", ["topic"])
topic_bytes = Gauge("heliograph_topic_bytes", "Memory a topic takes in the log.", ["topic"])
topic_trimmed = Counter(
    "heliograph_topic_trimmed", "Entries dropped from a topic that was over its budget.", ["topic"]
)
unlisted_groups = Gauge(
    "heliograph_unlisted_groups",
    "Groups of a topic that no role of the map is behind; trimming does not wait for them.",
    ["topic"],
)

# The collector.
stored_photos = Gauge(
    "heliograph_stored_photos", "Photos in the bucket, as the last pass found them.", ["standing"]
)
stored_bytes = Gauge(
    "heliograph_stored_bytes", "Bytes of these photos, originals and renditions.", ["standing"]
)
swept_bytes = Counter("heliograph_swept_bytes", "Bytes of photos that nobody showed any more.")

# The cache, as the collector's process finds it.
cache_used_bytes = Gauge("heliograph_cache_used_bytes", "Of the cache's byte budget.")
cache_most_bytes = Gauge(
    "heliograph_cache_most_bytes", "The byte budget, `maxmemory`; 0 where there is none."
)
cache_evicted_keys = Gauge(
    "heliograph_cache_evicted_keys",
    "Keys that had to leave for others, since the server of the cache started.",
)
cache_keys = Gauge(
    "heliograph_cache_keys", "Keys in the cache, as the last walk over them found them.", ["kind"]
)
cache_key_bytes = Gauge(
    "heliograph_cache_key_bytes", "Mean of a key with its value, by samples.", ["kind"]
)
cache_freed_keys = Counter(
    "heliograph_cache_freed_keys", "Keys freed that nobody could read any more.", ["kind"]
)
feed_window_entries = Gauge("heliograph_feed_window_entries", "Mean of a feed window, by samples.")
feed_entry_bytes = Gauge(
    "heliograph_feed_entry_bytes", "Bytes of a feed window for each of its entries, by samples."
)
feed_windows_unpacked_ratio = Gauge(
    "heliograph_feed_windows_unpacked_ratio",
    "Of feed windows, those in four times the memory for the server's listpack limits.",
)

# The verifier; of the last full verification, whoever made it.
verify_rows = Gauge("heliograph_verify_rows", "Rows that were held to the model.", ["table"])
verify_drift_rows = Gauge(
    "heliograph_verify_drift_rows", "Rows that are not what their events add up to.", ["table"]
)
verify_explained_rows = Gauge(
    "heliograph_verify_explained_rows",
    "Rows that differ because an event waits, is a dead letter, or was dropped.",
    ["table"],
)
verify_age_seconds = Gauge("heliograph_verify_age_seconds", "Since that verification ended.")

# Every process.
engine_ready = Gauge(
    "heliograph_engine_ready", "1 while the engine answers with the right settings.", ["engine"]
)
