"""Named points at which a process may die, put from outside around the seams of the real code.

`arm` wraps each seam so that it tells where it is and which kinds of events are concerned. A life
that is to die listens and exits there; an undisturbed run writes down which points it passes.
"""

from collections.abc import Callable, Collection
from contextvars import ContextVar
from functools import wraps

from asyncpg.transaction import Transaction

from events.catalogue import tag_of
from events.claims import Claims
from events.entries import TYPE
from events.round_trip import RoundTrip
from runtime.functions import Functions
from stores import trips
from stores.objects import Objects
from stores.trips import Trips

CLAIMED = "claimed"  # read from the stream, not attempted
BEFORE_APPEND = "before-append"
AFTER_APPEND = "after-append"  # recorded; the answer is lost with the process
MID_BLOBS = "mid-blobs"  # the first of several is stored
AFTER_BLOBS = "after-blobs"  # the manifest stands, nothing is announced
BEFORE_COMMIT = "before-commit"
AFTER_COMMIT = "after-commit"  # and before whatever follows: an announcement, another transaction
MID_PUSH = "mid-push"  # the first window is changed
BEFORE_ACK = "before-ack"  # everything is done, the group does not know
AFTER_ACK = "after-ack"
DRAINING = "draining"  # as before-ack, after SIGTERM reached it with the batch in hand
BEFORE_BURY = "before-bury"
AFTER_BURY = "after-bury"
RENEWING = "renewing"  # the lease is renewed while the handler is at work
RECLAIMING = "reclaiming"  # a dead consumer's entry is taken over, not attempted
BEGUN = "begun"  # an earlier life's entry is counted as attempted, and is not

ANYTHING = "anything"  # where no kind of event can be told

Reached = Callable[[str, Collection[str]], None]

handling: ContextVar[str] = ContextVar("handling")


def watched(kind, handler, *, first=None):
    """The handler, marking what is done on its behalf. `first` runs before it."""

    async def handle(site, batch):
        handling.set(tag_of(kind))
        if first:
            await first(batch)
        return await handler(site, batch)

    return handle


def arm(monkeypatch, reached: Reached) -> None:
    """Have `reached(point, tags)` called at every point, until the patch is undone."""
    monkeypatch.setattr(trips, "CALLS_PER_TRIP", 1)
    _around_claims(monkeypatch, reached)
    _around_functions(monkeypatch, reached)
    _around_commits(monkeypatch, reached)
    _around_blobs(monkeypatch, reached)
    _around_windows(monkeypatch, reached)


def _around_claims(monkeypatch, reached):
    read_new, acknowledge, bury = Claims.read_new, Claims.acknowledge, Claims.bury

    @wraps(read_new)
    async def claiming(self, *arguments):
        entries = await read_new(self, *arguments)
        reached(CLAIMED, {fields[TYPE].decode() for _, fields in entries})
        return entries

    @wraps(acknowledge)
    async def acknowledging(self, entry_ids):
        tags = _tags(self, entry_ids)
        reached(BEFORE_ACK, tags)
        await acknowledge(self, entry_ids)
        reached(AFTER_ACK, tags)

    @wraps(bury)
    async def burying(self, entry_id, *arguments):
        [tag] = _tags(self, [entry_id])
        handling.set(tag)
        await bury(self, entry_id, *arguments)

    monkeypatch.setattr(Claims, "read_new", claiming)
    monkeypatch.setattr(Claims, "acknowledge", acknowledging)
    monkeypatch.setattr(Claims, "bury", burying)


def _around_functions(monkeypatch, reached):
    call, append, renew = Functions.call, RoundTrip.call, Claims.renew

    @wraps(call)
    async def calling(self, client, function, keys, arguments):
        if function == "bury":
            reached(BEFORE_BURY, _current())
        reply = await call(self, client, function, keys, arguments)
        if function == "bury":
            reached(AFTER_BURY, _current())
        if function == "reclaim" and reply[1]:
            reached(RECLAIMING, {ANYTHING})
        if function == "begin" and reply:
            reached(BEGUN, {ANYTHING})
        return reply

    @wraps(append)
    async def appending(self, function, **options):
        reached(BEFORE_APPEND, _current())
        reply = await append(self, function, **options)
        reached(AFTER_APPEND, _current())
        return reply

    @wraps(renew)
    async def renewing(self):
        held = _tags(self, self.leases.active)
        await renew(self)
        reached(RENEWING, held)

    monkeypatch.setattr(Functions, "call", calling)
    monkeypatch.setattr(RoundTrip, "call", appending)
    monkeypatch.setattr(Claims, "renew", renewing)


def _around_commits(monkeypatch, reached):
    leave = Transaction.__aexit__

    @wraps(leave)
    async def leaving(self, kind, error, trace):
        # A transaction that wrote nothing has no id: its end is no commit.
        assigned = "SELECT pg_current_xact_id_if_assigned()"
        writes = kind is None and await self._connection.fetchval(assigned) is not None
        if writes:
            reached(BEFORE_COMMIT, _current())
        await leave(self, kind, error, trace)
        if writes:
            reached(AFTER_COMMIT, _current())

    monkeypatch.setattr(Transaction, "__aexit__", leaving)


def _around_blobs(monkeypatch, reached):
    put = Objects.put_if_absent

    @wraps(put)
    async def putting(self, key, *arguments):
        stored = await put(self, key, *arguments)
        reached(AFTER_BLOBS if key.endswith("/manifest") else MID_BLOBS, _current())
        return stored

    monkeypatch.setattr(Objects, "put_if_absent", putting)


def _around_windows(monkeypatch, reached):
    trip = Trips._sent

    @wraps(trip)
    async def tripping(self, calls):
        replies = await trip(self, calls)
        if calls[0][0] in {"push", "merge", "hide", "unhide", "remove", "drop"}:
            reached(MID_PUSH, _current())
        return replies

    monkeypatch.setattr(Trips, "_sent", tripping)


def _current():
    return {handling.get(ANYTHING)}


def _tags(claims, entry_ids):
    held = (claims.leases.held.get(entry_id) for entry_id in entry_ids)
    return {each.entry[1][TYPE].decode() for each in held if each and each.entry}
