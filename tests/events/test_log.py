import asyncio
import time

import pytest

from events.accounts import AccountRegistered, PasswordChanged, ProfileEdited, SessionsRevoked
from events.graph import FollowRequested
from events.idempotency import Idempotency
from events.ids import Address, Position, make_id, position_of, shard_of, shard_of_username
from events.log import Log, stream_key
from events.posts import PostDeleted
from runtime.connections import open_redis
from runtime.errors import Conflict, Forbidden, Unavailable


async def test_an_event_is_read_back_at_its_own_position(log, register):
    """What was appended stands at the address that the append gave, unsealed."""
    ada = await register("ada")
    appended = await log.append(ProfileEdited(bio="x" * 50, private=True), actor=ada, request="r1")

    found = await log.event_at(appended.address)

    assert found.event == ProfileEdited(bio="x" * 50, private=True)
    assert (found.actor, found.request, found.id) == (ada, "r1", appended.id)
    assert position_of(found.id) == found.position
    assert Address.parse(found.address) == appended.address


async def test_personal_fields_never_stand_in_the_log_in_the_clear(log, register, log_client):
    """Sealed fields are not to be found in any key of the log server."""
    ada = await register("ada")
    await log.append(ProfileEdited(bio="a very private biography"), actor=ada)

    dump = b"".join([await log_client.dump(key) for key in await log_client.keys("*")])

    assert b"biography" not in dump
    assert b"ada" in dump


async def test_without_its_key_an_event_yields_the_erased_row(log, register, log_client):
    """Once the key is destroyed, sealed fields read as their defaults, the others stay."""
    ada = await register("ada")
    appended = await log.append(ProfileEdited(bio="gone", private=True), actor=ada)
    await log_client.delete(*await log_client.keys("keys:*"))
    log.keyring.forget(ada)

    assert (await log.event_at(appended.address)).event == ProfileEdited(private=True)
    with pytest.raises(Forbidden):
        await log.append(ProfileEdited(bio="again"), actor=ada)


async def test_a_key_remembered_by_a_process_cannot_outlive_the_account(log, register, log_client):
    """The append itself checks that the author's key still exists."""
    ada = await register("ada")
    await log_client.delete(*await log_client.keys("keys:*"))

    with pytest.raises(Forbidden, match="account-erased"):
        await log.append(ProfileEdited(bio="sealed with a remembered key"), actor=ada)


async def test_a_repeat_is_answered_with_the_first_position(log, register):
    """The same key and command append once, also when both come at the same moment."""
    ada = await register("ada")
    key = Idempotency(str(ada), "k", b"command")
    answers = await asyncio.gather(
        *(log.append(FollowRequested(followee_id=5), actor=ada, idempotency=key) for _ in range(9))
    )

    assert len({answer.address for answer in answers}) == 1
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 8


async def test_a_key_belongs_to_one_command(log, register):
    """The same key with another command, or another type of event, is refused."""
    ada = await register("ada")
    key = Idempotency(str(ada), "k", b"one")
    await log.append(FollowRequested(followee_id=5), actor=ada, idempotency=key)

    other = Idempotency(str(ada), "k", b"other")
    with pytest.raises(Conflict, match="idempotency-key-reused"):
        await log.append(FollowRequested(followee_id=5), actor=ada, idempotency=other)
    with pytest.raises(Conflict, match="idempotency-key-reused"):
        await log.append(PostDeleted(post_id=5), actor=ada, idempotency=key)


async def test_a_name_is_taken_once_and_resolved_without_postgres(log, register):
    """Of many sign-ups for one name exactly one succeeds; a repeat of it is no conflict."""
    key = Idempotency("ada", "k", b"c")
    first = await log.register(AccountRegistered(username="ada"), idempotency=key)
    again = await log.register(AccountRegistered(username="ada"), idempotency=key)

    assert (again.id, again.replayed) == (first.id, True)
    with pytest.raises(Conflict, match="username-taken"):
        await register("ada")
    assert await log.resolve("ADA") == first.id
    assert await log.resolve("nobody") is None
    assert shard_of(first.id) == shard_of_username("ada")


async def test_positions_rise_over_all_topics_and_chain(log, register, log_client):
    """Within a partition no position repeats, and every entry names the one before it."""
    ada = await register("ada")
    partition = shard_of(ada) % 8
    positions = []
    for start in range(0, 1500, 50):
        appends = [
            log.append(event, actor=ada)
            for n in range(start, start + 50)
            for event in (FollowRequested(followee_id=n), PostDeleted(post_id=n))
        ]
        positions += [each.position for each in await asyncio.gather(*appends)]

    assert len(set(positions)) == 3000
    assert max(position.sequence for position in positions) < 1024
    for topic in ("graph", "posts"):
        before = b"0-0"
        for entry_id, fields in await log_client.xrange(stream_key(topic, partition)):
            assert fields[b"after"] == before
            before = entry_id


async def test_a_full_millisecond_runs_on_into_the_next(log, register, log_client):
    """After 1,024 positions the next millisecond begins, even ahead of the clock."""
    ada = await register("ada")
    head = f"head:{{{shard_of(ada) % 8}}}"
    ms = time.time_ns() // 1_000_000 + 3_000
    await log_client.hset(head, "head", f"{ms}-1023")

    appended = await log.append(PostDeleted(post_id=1), actor=ada)

    assert appended.position == Position(ms + 1, 0)


@pytest.mark.parametrize("days", [365, -365])
async def test_a_callers_clock_a_year_off_is_refused(log, register, monkeypatch, days):
    """Nothing is recorded, and the partition's future is not poisoned."""
    ada = await register("ada")
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + days * 86_400 * 1_000_000_000)
    with pytest.raises(Unavailable, match="clock-skew"):
        await log.append(PostDeleted(post_id=1), actor=ada)
    monkeypatch.undo()

    appended = await log.append(PostDeleted(post_id=2), actor=ada)
    assert abs(appended.position.ms - time.time() * 1000) < 5_000


async def test_a_head_in_the_far_future_is_refused(log, register, log_client):
    """As after the server's clock went back by a year: refuse, do not follow it."""
    ada = await register("ada")
    far = time.time_ns() // 1_000_000 + 365 * 86_400_000
    await log_client.hset(f"head:{{{shard_of(ada) % 8}}}", "head", f"{far}-0")

    with pytest.raises(Unavailable, match="clock-skew"):
        await log.append(PostDeleted(post_id=1), actor=ada)


async def test_what_hides_is_a_notice_in_the_same_step(log, register, log_client):
    """A deletion stands in the notices under its own position; a wish for a name does too."""
    ada = await register("ada")
    appended = await log.append(PostDeleted(post_id=7), actor=ada)

    notices = await log_client.xrange(f"notices:{{{shard_of(ada) % 8}}}")

    assert [entry_id.decode() for entry_id, _ in notices] == [str(appended.position)]
    assert notices[0][1][b"topic"] == b"posts"


async def test_revocations_are_kept_until_their_last_token_has_expired(log, register, log_client):
    """One token, all tokens, all but one: each is found again by a gateway that starts."""
    ada = await register("ada")
    await log.append(SessionsRevoked(token_id=11), actor=ada)
    everything = await log.append(SessionsRevoked(), actor=ada)
    await log.append(PasswordChanged(password_hash="h", kept_token_id=12), actor=ada)

    found = await log.revocations()
    [one] = [each for each in found if each.token_id]
    [but_one] = [each for each in found if each.kept_token_id]
    [every] = [each for each in found if each not in (one, but_one)]

    assert (one.account_id, one.token_id) == (ada, 11)
    assert (every.token_id, every.issued_before_ms) == (None, everything.position.ms)
    assert but_one.kept_token_id == 12
    assert one.expires_ms > time.time() * 1000 + 29 * 86_400_000


async def test_announcements_follow_a_cause_once(log, register):
    """Announced twice for one cause, recorded once; another part is another announcement."""
    ada = await register("ada")
    cause = await log.event_at((await log.append(PostDeleted(post_id=1), actor=ada)).address)
    first = await log.announce(PostDeleted(post_id=2), actor=ada, cause=cause)
    again = await log.announce(PostDeleted(post_id=2), actor=ada, cause=cause)
    other = await log.announce(PostDeleted(post_id=3), actor=ada, cause=cause, part="b")

    assert first.address == again.address != other.address
    found = await log.announced(PostDeleted, cause=cause)
    assert (found.event.post_id, found.cause) == (2, cause.address)
    assert await log.announced(FollowRequested, cause=cause) is None


async def test_a_full_log_refuses_and_says_so(log, register, log_client):
    """At its memory limit the server takes nothing more; the caller may try again later."""
    ada = await register("ada")
    before = (await log_client.config_get("maxmemory"))["maxmemory"]
    await log_client.config_set("maxmemory", 1)
    try:
        with pytest.raises(Unavailable, match="log-full"):
            await log.append(PostDeleted(post_id=1), actor=ada)
    finally:
        await log_client.config_set("maxmemory", before)


def test_ids_carry_time_owner_and_order():
    """An id gives back its position and shard; later positions make higher ids."""
    early = make_id(Position(1_800_000_000_000, 1023), 8191)
    late = make_id(Position(1_800_000_000_001, 0), 0)

    assert early < late < 2**63
    assert (position_of(early), shard_of(early)) == (Position(1_800_000_000_000, 1023), 8191)


@pytest.mark.parametrize(
    "text",
    [
        "99999999999999999999999-0",
        "0-99999999999999999999",
        "",
        "1",
        "1-",
        "-1",
        "a-b",
        "1-2-3",
        "١-٢",
        " 1-2",
    ],
)
def test_what_is_no_position_is_refused(text):
    """Only `<digits>-<digits>` is a position."""
    with pytest.raises(ValueError):
        Position.parse(text)


async def test_a_fresh_server_learns_the_functions_under_load(settings, log_client):
    """Many first appends at once, over few connections: all of them are recorded."""
    await log_client.function_flush()
    async with open_redis(settings.log_url, 2, 5) as few:
        fresh = Log(few, partitions=8, secret=settings.secret.reveal().encode())
        names = [AccountRegistered(username=f"user{n}") for n in range(40)]
        appended = await asyncio.gather(*(fresh.register(each) for each in names))
    assert len({each.id for each in appended}) == 40
