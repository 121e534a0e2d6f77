"""Appends one after the other, each judged by the model: what test_append_model.py is told in.

After every step the whole of both partitions is compared with what the model says.
"""

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

from hypothesis import event
from hypothesis.stateful import RuleBasedStateMachine, initialize
from redis.exceptions import ResponseError

from events.accounts import (
    AccountErased,
    AccountRegistered,
    PasswordChanged,
    ProfileEdited,
    SessionsRevoked,
)
from events.catalogue import tag_of
from events.graph import FollowRequested
from events.idempotency import Idempotency, minted
from events.ids import Position, position_of, shard_of, shard_of_username
from events.log import Log
from events.posts import PostDeleted
from runtime.connections import open_redis
from runtime.errors import HeliographError
from tests.faults.proxy import Proxy
from tests.properties.log_model import Command, Partition, picture_of

PARTITIONS = 2
NAMES = ("ada", "bob", "cyd", "dan")
SECRET = b"s" * 32
EVENTS = (
    PostDeleted(post_id=7),
    FollowRequested(followee_id=7),
    ProfileEdited(bio="sun"),
    ProfileEdited(private=True),
    SessionsRevoked(token_id=11),
    SessionsRevoked(),
    PasswordChanged(password_hash="hash", kept_token_id=12),
    AccountErased(),
)
"""In clear and sealed, with a revocation and without; last what is done once."""
ERASED = len(EVENTS) - 1
REVOKES = {4: "11|-", 5: "*|-", 6: "*|12", ERASED: "*|-"}


class Judged(RuleBasedStateMachine):
    """Two partitions of a log, the model of each, and a bad line to the server."""

    log_url = ""
    skew = SimpleNamespace(ms=0)

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.model = [Partition() for _ in range(PARTITIONS)]
        self.highest = [Position(0, 0)] * PARTITIONS
        self.accounts, self.saved, self.reply_lost = [], None, False
        self.skew.ms = 0

    def do(self, awaitable):
        return self.loop.run_until_complete(awaitable)

    @initialize()
    def open(self):
        self.do(self._open())
        for name in NAMES[:2]:
            self.open_account(name, None, b"")

    async def _open(self):
        self.client = open_redis(self.log_url, 4, 5)
        socket = urlsplit(self.log_url).path
        self.proxy = await Proxy(Path(socket)).__aenter__()
        self.proxied = open_redis(self.log_url.replace(socket, str(self.proxy.address)), 4, 5)
        await self.client.flushall()
        self.log = Log(self.proxied, partitions=PARTITIONS, secret=SECRET)

    def teardown(self):
        if hasattr(self, "log"):
            self.do(self.proxied.aclose())
            self.do(self.client.aclose())
            self.do(self.proxy.__aexit__(None, None, None))
        self.loop.close()

    def open_account(self, name, key, meaning):
        appended = self.attempt(*self.registration(name, key, meaning))
        if appended and appended.id not in self.accounts:
            self.accounts.append(appended.id)

    def registration(self, name, key, meaning):
        partition = shard_of_username(name) % PARTITIONS
        idempotency = Idempotency(name, key, meaning) if key else minted(name)
        event = AccountRegistered(username=name, password_hash="hash")
        command = Command(
            topic=event.TOPIC,
            tag=tag_of(type(event)),
            actor=0,
            record=idempotency.record_key(partition),
            meaning=idempotency.command,
            username=name,
        )
        return partition, command, self.log.register(event, idempotency=idempotency)

    def deed(self, whom, which, key, meaning):
        actor, event = self.actor(whom), EVENTS[which]
        partition = shard_of(actor) % PARTITIONS
        idempotency = Idempotency(str(actor), key, meaning) if key else minted(actor)
        sealed = event == ProfileEdited(bio="sun") or isinstance(event, PasswordChanged)
        command = Command(
            topic=event.TOPIC,
            tag=tag_of(type(event)),
            actor=actor,
            record=idempotency.record_key(partition),
            meaning=idempotency.command,
            hides=event.HIDES,
            commander=str(position_of(actor)),
            sealed_by=str(position_of(actor)) if sealed else "",
            destroys=isinstance(event, AccountErased),
            revokes=f"{actor}|{REVOKES[which]}" if which in REVOKES else "",
        )
        return partition, command, self.log.append(event, actor=actor, idempotency=idempotency)

    def actor(self, whom):
        return self.accounts[whom % len(self.accounts)]

    def expected(self, command, partition):
        model = self.model[partition]
        erased = command.sealed_by and command.sealed_by not in model.keys
        if erased and not self.asks_once(command):
            return "account-erased"  # it cannot even be sealed
        return model.verdict(command, self.now(), self.skew.ms)

    def asks_once(self, command):
        """Whether the append is all that this call asks: its account's key is at hand."""
        return not command.sealed_by or self.log.keyring.remembered(command.actor) is not None

    def attempt(self, partition, command, call):
        """Do it; the answer and everything on the server must be what the model says."""
        expected, before = self.expected(command, partition), self.now()
        if self.reply_lost and self.asks_once(command):
            self.proxy.cut_after_request()
        code, appended = self.do(outcome_of(call))
        if self.reply_lost and code == "replayed" and expected == "ok":
            code = "ok"  # its own first sending
        self.reply_lost = False
        event(f"append: {code}")
        assert code == expected
        if code == "ok":
            self.recorded(partition, command, appended.position, before)
        if code == "replayed":
            address = appended.address
            assert (address.topic, str(address.position)) == self.model[partition].records[
                command.record
            ]
        self.compare()
        return appended

    def attempt_beside(self, place, partition, command, call, *, ahead):
        expected, before = self.expected(command, partition), self.now()
        key = {"topic": f"{command.topic}:{{{partition}}}", "record": command.record}.get(
            place, f"{place}:{{{partition}}}"
        )
        dumped = self.do(self.client.dump(key))
        self.do(self.spoil(key, ahead=ahead and place in ("topic", "notices")))
        try:
            code, appended = self.do(outcome_of(call))
        except ResponseError as error:
            code, appended = str(error), None
        finally:
            self.do(self.client.delete(key))
            if dumped:
                self.do(self.client.restore(key, 0, dumped))
        touched = {"head": True, "topic": True, "record": True, "notices": command.hides}
        touched |= {"names": command.username, "keys": True}
        touched |= {"revoked": command.revokes}
        if code == "ok":
            assert expected == "ok"
            assert not touched[place]
            self.recorded(partition, command, appended.position, before)
        else:
            assert code == expected or touched[place], code
        self.compare()

    async def spoil(self, key, *, ahead):
        if ahead:
            await self.client.xadd(key, {"topic": "x"}, id=f"{self.now() + 60_000}-0")
        else:
            await self.client.delete(key)
            await self.client.rpush(key, "x")

    def recorded(self, partition, command, position, before):
        model = self.model[partition]
        assert position > self.highest[partition]
        assert model.may_follow(position, before, self.now()), (model.head, position)
        assert command.record not in model.records
        model.apply(command, position)
        self.highest[partition] = max(position, model.head)

    def compare(self):
        for partition, model in enumerate(self.model):
            assert self.do(picture_of(self.client, partition)) == model.picture()

    def set_head(self, partition, position):
        self.model[partition].heads["head"] = str(position)
        self.do(self.client.hset(f"head:{{{partition}}}", "head", str(position)))

    def now(self):
        return time.time_ns() // 1_000_000


async def outcome_of(call):
    """'ok', 'replayed' or the refusal's code, and what was appended."""
    try:
        appended = await call
    except HeliographError as refusal:
        return refusal.code, None
    return ("replayed" if appended.replayed else "ok"), appended
