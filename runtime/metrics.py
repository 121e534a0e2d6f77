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
handler_seconds = Histogram(
    "heliograph_handler_seconds", "One call of a handler.", ["role", "type"], buckets=SLOW
)
batch_deliveries = Histogram(
    "heliograph_batch_deliveries", "Deliveries in one call of a handler.", ["role"], buckets=SIZES
)

# Every process.
engine_ready = Gauge(
    "heliograph_engine_ready", "1 while the engine answers with the right settings.", ["engine"]
)
