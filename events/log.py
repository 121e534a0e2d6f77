"""The log: append an event once, durably; read it back at its position.

One append is one call of a server-side function (`log.lua`): it checks the idempotency key and what
must be unique, chooses the position, and writes all that must be true in the same instant.
"""

import time
from pathlib import Path
from typing import Any, TypeVar

from events import codec, sealing
from events.accounts import AccountErased, AccountRegistered
from events.appended import Appended, judge
from events.catalogue import BY_TAG, TOPICS, tag_of
from events.entries import (
    ACTOR,
    CAUSE,
    PAYLOAD,
    REQUEST,
    SEALED,
    TIME,
    TRACEPARENT,
    TYPE,
    Entry,
    Fields,
    open_entries,
)
from events.envelope import Delivery, Event
from events.idempotency import Idempotency, announcement_key, minted
from events.ids import Address, Position, make_id, position_of, shard_of, shard_of_username
from events.precedents import Precedents
from events.revocations import TOKEN_LIFE_MS, Revocation, revocation_of, standing_revocations
from events.round_trip import RoundTrip
from runtime.errors import Forbidden
from runtime.functions import Client, Functions
from runtime.metrics import append_seconds
from runtime.secrets import derive

E = TypeVar("E", bound=Event)

FUNCTIONS = Functions(Path(__file__).with_name("log.lua"))


class Log:
    """Appends to and reads from the log server. `close` is the client's owner's business."""

    def __init__(
        self, client: Client, *, partitions: int, secret: bytes, replicas: int = 0
    ) -> None:
        self.client = client
        self.partitions, self.replicas = partitions, replicas
        self.keyring = sealing.Keyring(secret)
        self.precedents = Precedents(self)
        self.digest_key = derive(secret, "idempotency")
        self._append = RoundTrip(client, FUNCTIONS, replicas=replicas)
        self.reach, self.ask, self.one = self._append.reach, self._append.ask, self._append.one
        self.share = self._append.share

    async def append(
        self,
        event: Event,
        *,
        actor: int,
        idempotency: Idempotency | None = None,
        request: str = "",
        cause: str = "",
        traceparent: str = "",
    ) -> Appended:
        """Record what the actor did. Returns once it is on disk.

        A repeat with the same key and command answers with the first one's position; with another
        command it is `Conflict("idempotency-key-reused")`. `Forbidden("account-erased")` when the
        actor's key is destroyed, `Unavailable` when nothing, or perhaps nothing, was recorded.
        """
        clear, half = codec.encode(event)
        sealed = await self._seal(event, actor, half) if half else b""
        fields = {ACTOR: str(actor), CAUSE: cause, REQUEST: request, TRACEPARENT: traceparent}
        return await self._record(
            event,
            fields | {PAYLOAD: clear, SEALED: sealed},
            shard=shard_of(actor),
            idempotency=idempotency or minted(actor),
            wrapped=b"destroy" if isinstance(event, AccountErased) else b"",
            commander=str(position_of(actor)),
            revocation=revocation_of(event, actor),
        )

    async def register(
        self,
        event: AccountRegistered,
        *,
        idempotency: Idempotency | None = None,
        request: str = "",
        traceparent: str = "",
    ) -> Appended:
        """Reserve the username and open the account; its id and its key are made in the same step.

        As `append`; `Conflict("username-taken")` when somebody has the name.
        """
        clear, half = codec.encode(event)
        key, wrapped = self.keyring.new_key()
        sealed = sealing.seal(key, tag_of(type(event)), half)
        return await self._record(
            event,
            {REQUEST: request, TRACEPARENT: traceparent, PAYLOAD: clear, SEALED: sealed},
            shard=shard_of_username(event.username),
            idempotency=idempotency or minted(event.username),
            username=event.username,
            wrapped=wrapped,
        )

    async def announce(
        self, event: Event, *, actor: int, cause: Delivery[Any], part: str = ""
    ) -> Appended:
        """Record what followed from a cause, once for each cause, type and part."""
        clear, half = codec.encode(event)
        sealed = await self._seal(event, actor, half) if half else b""
        fields = {ACTOR: str(actor), CAUSE: cause.address, REQUEST: cause.request}
        return await self._record(
            event,
            fields | {TRACEPARENT: cause.traceparent, PAYLOAD: clear, SEALED: sealed},
            shard=shard_of(actor),
            idempotency=announcement_key(type(event), actor, cause, part),
        )

    async def announced(
        self, kind: type[E], *, cause: Delivery[Any], actor: int | None = None, part: str = ""
    ) -> Delivery[E] | None:
        """What `announce` recorded for this cause within the idempotency lifetime, if it did."""
        actor = cause.actor if actor is None else actor
        partition = shard_of(actor) % self.partitions
        key = announcement_key(kind, actor, cause, part).record_key(partition)
        record = await self.ask(lambda: self.client.get(key))
        if record is None:
            return None
        topic, position, _ = record.decode().split(" ")
        found = await self.event_at(Address(topic, partition, Position.parse(position)))
        return found if found and isinstance(found.event, kind) else None

    async def event_at(self, address: Address) -> Delivery[Any] | None:
        """The event that stands there; None when none does, or none of a type we know."""
        if address.topic not in TOPICS or not 0 <= address.partition < self.partitions:
            return None
        stream, at = stream_key(address.topic, address.partition), str(address.position)
        entries = await self.ask(lambda: self.client.xrange(stream, at, at))
        if not entries or entries[0][1].get(TYPE, b"").decode() not in BY_TAG:
            return None
        opened = await open_entries(self, address.topic, address.partition, entries)
        return opened[0] if isinstance(opened[0], Delivery) else None

    async def page(
        self, topic: str, partition: int, after: Position, until: Position, most: int
    ) -> list[Entry]:
        """So many entries of a stream that stand after one position, up to another."""
        stream = stream_key(topic, partition)
        return list(
            await self.ask(lambda: self.client.xrange(stream, f"({after}", str(until), most))
        )

    async def resolve(self, username: str) -> int | None:
        """The id of the account that has this name, case-folded; needs no Postgres."""
        username = username.lower()
        shard = shard_of_username(username)
        position = await self.one("HGET", f"names:{{{shard % self.partitions}}}", username)
        return make_id(Position.parse(position), shard) if position else None

    async def wrapped_key(self, account_id: int) -> bytes | None:
        """The account's key as it is stored; None once it is destroyed."""
        keys = f"keys:{{{shard_of(account_id) % self.partitions}}}"
        wrapped: bytes | None = await self.one("HGET", keys, str(position_of(account_id)))
        return wrapped

    async def wrapped_keys(self, account_ids: list[int]) -> dict[int, bytes | None]:
        """Many accounts' keys in one trip."""

        async def found() -> list[bytes | None]:
            async with self.client.pipeline(transaction=False) as pipeline:
                for account_id in account_ids:
                    partition = shard_of(account_id) % self.partitions
                    pipeline.hget(f"keys:{{{partition}}}", str(position_of(account_id)))
                return list(await pipeline.execute())

        return dict(zip(account_ids, await self.ask(found), strict=True))

    async def revocations(self) -> list[Revocation]:
        """Every revocation that still ends a token, over all partitions."""
        return await standing_revocations(self.client, self.partitions)

    async def _seal(self, event: Event, actor: int, half: bytes) -> bytes:
        key = self.keyring.remembered(actor)
        if key is None:
            wrapped = await self.wrapped_key(actor)
            if wrapped is None:
                raise Forbidden("account-erased", "The account is no longer there.")
            key = self.keyring.unwrap(actor, wrapped)
        return sealing.seal(key, tag_of(type(event)), half)

    async def _record(
        self,
        event: Event,
        fields: Fields,
        *,
        shard: int,
        idempotency: Idempotency,
        username: str = "",
        wrapped: bytes = b"",
        commander: str = "",
        revocation: str = "",
    ) -> Appended:
        topic, partition = event.TOPIC, shard % self.partitions
        entry = {TYPE: tag_of(type(event))} | {k: v for k, v in fields.items() if v}
        started = time.perf_counter()
        outcome = "unavailable"
        try:
            reply = await self._append.call(
                "append",
                keys=[
                    f"head:{{{partition}}}",
                    stream_key(topic, partition),
                    idempotency.record_key(partition),
                    *(
                        f"{each}:{{{partition}}}"
                        for each in ("notices", "names", "keys", "revoked")
                    ),
                ],
                arguments=lambda: [
                    topic,
                    now := time.time_ns() // 1_000_000,
                    idempotency.digest(self.digest_key, event),
                    idempotency.seconds,
                    "1" if event.HIDES else "",
                    username,
                    wrapped,
                    commander,
                    revocation,
                    TOKEN_LIFE_MS,
                    TIME,
                    now,
                    *(part for pair in entry.items() for part in pair),
                ],
            )
            outcome = reply[0].decode()
        finally:
            append_seconds.labels(outcome).observe(time.perf_counter() - started)
        return judge(reply, topic, partition, shard)


def stream_key(topic: str, partition: int) -> str:
    """The stream of one topic's partition."""
    return f"{topic}:{{{partition}}}"
