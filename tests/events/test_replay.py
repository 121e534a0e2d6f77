"""A replay gives each role every event it hears, in its order, and goes on where it stopped."""

import pytest

from events.accounts import AccountRegistered, ProfileEdited
from events.entries import ACTOR, PAYLOAD, TYPE
from events.graph import FollowRequested
from events.ids import Position, position_of
from events.log import Log
from events.replay import Replay, Stopped
from events.wanted import Wanted, heads_of

PARTITIONS = 2


class Kept:
    """Checkpoints in memory."""

    def __init__(self):
        self.positions = {}

    async def kept(self):
        return dict(self.positions)

    async def keep(self, stream, position):
        self.positions[stream] = position


class Streams:
    """The streams alone, a few entries a page."""

    def __init__(self, log):
        self.log, self.read = log, 0

    async def pages(self, topic, partition, *, after, until):
        while page := await self.log.page(topic, partition, after, until, 3):
            self.read += len(page)
            yield page
            after = Position.parse(page[-1][0])


class Roles:
    """Two roles that remember what they were given, and refuse what they are told to."""

    def __init__(self):
        self.given, self.poison, self.missing = [], set(), set()

    def handler(self, role):
        async def handle(site, batch):
            assert site == "site"
            if any(each.id in self.poison for each in batch):
                raise ValueError("poison")
            left = [each for each in batch if each.id in self.missing]
            self.given += [(role, each.id) for each in batch if each not in left]
            return left

        return handle

    def table(self):
        return {
            "accounts": {
                AccountRegistered: self.handler("accounts"),
                ProfileEdited: self.handler("accounts"),
            },
            "graph": {FollowRequested: self.handler("graph")},
        }


@pytest.fixture
def log(log_client):
    return Log(log_client, partitions=PARTITIONS, secret=b"s" * 32)


@pytest.fixture
def roles():
    return Roles()


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def new_replay(log, roles, kept):
    def made(**options):
        return Replay(log, Streams(log), roles.table(), "site", kept, **({"batch": 4} | options))

    return made


@pytest.fixture
async def history(log):
    """Ids of seven accounts and of what each did: an edit, and a follow of the next."""
    names = [f"member{number}" for number in range(7)]
    accounts = [(await log.register(AccountRegistered(username=name))).id for name in names]
    edits, follows = [], []
    for one, other in zip(accounts, [*accounts[1:], accounts[0]], strict=True):
        edits.append((await log.append(ProfileEdited(bio="sea"), actor=one)).id)
        follows.append((await log.append(FollowRequested(followee_id=other), actor=one)).id)
    return accounts, edits, follows


async def run(replay):
    async for _ in replay.run(await heads_of(replay.log, replay.streams)):
        continue


async def test_each_role_ends_before_the_next_begins(new_replay, roles, history):
    accounts, edits, follows = history
    await run(new_replay())

    assert {each for role, each in roles.given[:14]} == {*accounts, *edits}
    assert {each for role, each in roles.given[14:]} == set(follows)
    assert len(roles.given) == 21


async def test_what_came_later_is_all_that_is_given_later(new_replay, roles, history, log):
    replay = new_replay()
    await run(replay)
    roles.given.clear()
    late = (await log.append(ProfileEdited(bio="hill"), actor=history[0][0])).id

    await run(replay)

    assert roles.given == [("accounts", late)]


async def test_another_life_goes_on_from_the_checkpoint(new_replay, roles, history, kept):
    """All of it is given; of what had been kept, nothing is given again."""
    replay = new_replay()
    running = replay.run(await heads_of(replay.log, replay.streams))
    while not kept.positions:
        await anext(running)
    await running.aclose()
    before = set(roles.given)
    roles.given.clear()

    await run(new_replay())

    assert len(before | set(roles.given)) == 21
    await run(new_replay())
    roles.given.clear()
    await run(new_replay())
    assert roles.given == []


async def test_poison_is_told_and_the_rest_goes_on(new_replay, roles, history):
    roles.poison = {history[1][3], history[2][4]}
    replay = new_replay()

    await run(replay)

    assert len(roles.given) == 19
    assert {(each.tag, each.reason) for each in replay.tally.faults} == {
        ("profile.edited", "ValueError: poison"),
        ("follow.requested", "ValueError: poison"),
    }
    assert all(each.address.startswith(("accounts.", "graph.")) for each in replay.tally.faults)


async def test_a_strict_replay_stops_at_the_first_fault(new_replay, roles, history):
    roles.poison = {history[1][3]}

    with pytest.raises(Stopped, match=r"profile\.edited"):
        await run(new_replay(strict=True))

    assert not [role for role, _ in roles.given if role == "graph"]


async def test_what_cannot_be_read_is_told(new_replay, roles, history, log_client):
    """An event of a newer version, and one of broken bytes: each by its address and reason."""
    actor = str(history[0][0])
    newer = {TYPE: "account.moved", ACTOR: actor}
    broken = {TYPE: "profile.edited", ACTOR: actor, PAYLOAD: b"\xc1"}
    at = Position(2**41, 0)
    await log_client.xadd("accounts:{0}", newer, id=str(at))
    await log_client.xadd("accounts:{0}", broken, id=f"{at.ms}-1")
    await log_client.hset("head:{0}", "accounts", f"{at.ms}-1")
    replay = new_replay()

    await run(replay)

    assert {(each.tag, each.reason.partition(":")[0]) for each in replay.tally.faults} == {
        ("account.moved", "unknown-type"),
        ("profile.edited", "undecodable"),
    }
    assert len(roles.given) == 21


async def test_what_must_wait_is_given_again_at_the_end(new_replay, roles, history, kept):
    """Until it is done no checkpoint passes it, so that another life meets it too."""
    waits = history[2][2]
    roles.missing = {waits}
    replay = new_replay()
    await run(replay)
    assert replay.without_effect == 1

    roles.given.clear()
    another = new_replay()
    await run(another)
    assert another.without_effect == 1
    roles.missing.clear()
    await run(another)

    assert another.without_effect == 0
    assert ("graph", waits) in roles.given
    roles.given.clear()
    await run(new_replay())
    assert roles.given == []


async def test_only_what_one_account_did_is_given(new_replay, roles, history):
    accounts, _, follows = history
    types = frozenset({"follow.requested"})

    await run(new_replay(wanted=Wanted(tags=types, account=accounts[2])))

    assert roles.given == [("graph", follows[2])]


async def test_only_what_happened_between_two_moments_is_given(new_replay, roles, history):
    """The first moment counts, the last does not."""
    _, edits, follows = history
    first, last = (position_of(each).ms for each in (follows[2], follows[5]))

    await run(new_replay(wanted=Wanted(from_ms=first, until_ms=last)))

    between = [e for e in [*edits, *follows] if first <= position_of(e).ms < last]
    assert {each for _, each in roles.given} == set(between)
    assert follows[2] in between


async def test_a_rate_is_kept(new_replay, roles, history):
    """Batches are as small as the rate, or a slow replay would stand still and then run."""
    slow = new_replay(rate=2)
    running = slow.run(await heads_of(slow.log, slow.streams))
    while slow.tally.read < 2:
        await anext(running)
    assert slow.tally.read <= 8  # a batch for each of four that run at once
    await running.aclose()
