"""A log server that was lost begins anew from the archive: what was archived is all there."""

from events.accounts import SessionsRevoked
from events.envelope import Delivery
from events.graph import FollowAccepted, FollowRequested
from events.history import History
from events.ids import Address, Position
from tests.backups.facts import facts_of


async def test_what_was_archived_is_all_there_and_the_rest_is_lost(
    members, workers, archived, lose_log, settings, log, archive, ask
):
    """Names, keys and positions go on; tables lose what the log lost, by a rebuild."""
    await members.act(80)
    await workers.drain(100)
    await archived()
    rows = await facts_of(settings)
    for _ in range(8):  # whoever vanished now would stay unreadable, since keys are gone for good
        for does in (members.sign_up, members.submit, members.follow, members.edit):
            await does()
    await workers.drain(100)
    assert await facts_of(settings) != rows
    await lose_log()

    status, said, aside = await ask("bring-back", "--since", "2020-01-01")
    assert status == 0, aside
    await workers.drain(100)
    assert (await ask("rebuild", "metadata"))[0] == 0

    assert await facts_of(settings) == rows
    status, said, _ = await ask("archive", "verify")
    assert status == 0, said
    await members.act(10)
    await workers.drain(100)
    status, said, _ = await ask("verify")
    assert status == 0, said
    for partition in range(log.partitions):
        async for _ in History(log, archive).pages("accounts", partition):
            continue


async def test_nobody_is_answered_twice(members, workers, archived, lose_log, log, ask):
    """Causes are delivered again; the answers that workers gave are known."""
    await members.act(20)
    one, other = members.ids[:2]
    wish = await log.append(FollowRequested(followee_id=other), actor=one)
    await workers.drain(100)
    await archived()
    cause = await log.event_at(wish.address)
    answer = await log.announced(FollowAccepted, cause=cause, actor=other, part=str(wish.id))
    await lose_log()
    assert (await ask("bring-back", "--since", "1h"))[0] == 0

    known = await log.announced(FollowAccepted, cause=cause, actor=other, part=str(wish.id))

    assert isinstance(known, Delivery)
    assert answer is None or known.position == answer.position


async def test_an_ended_session_stays_ended(members, archived, lose_log, log, ask):
    await members.act(5)
    await log.append(SessionsRevoked(), actor=members.ids[0])
    await archived()
    revocations = await log.revocations()
    await lose_log()
    assert (await ask("bring-back"))[0] == 0

    assert members.ids[0] in {each.account_id for each in revocations}
    assert await log.revocations() == revocations


async def test_no_position_is_given_twice(members, workers, archived, lose_log, log, ask):
    """Not even one of an event that was lost: somebody may have been told of it."""
    await members.act(10)
    await workers.drain(100)  # so that the vault has their keys
    await archived()
    lost = await log.append(SessionsRevoked(), actor=members.ids[0])
    await lose_log()
    assert (await ask("bring-back"))[0] == 0

    after = await log.append(SessionsRevoked(), actor=members.ids[0])

    assert Address.parse(str(after.address)).position > lost.address.position > Position(0, 0)


async def test_a_log_in_use_is_left_alone(members, archived, ask):
    await members.act(5)
    await archived()

    status, _, aside = await ask("bring-back")

    assert (status, aside) == (1, "The log is not empty: it is somebody's.\n")
