"""Among what waits nobody is always first: each comes to its turn, however often others do."""

import pytest

from events import leases
from events.consumer import Limits

SMALL = Limits(batch=5, in_flight=100, lease_seconds=60, attempts=3)
MANY = 12  # more than a batch


@pytest.mark.parametrize("suspect", [False, True])
async def test_what_is_always_due_does_not_hold_up_what_is_due_behind_it(
    reader, delete, new_clock, suspect
):
    """The oldest are due again before the youngest had their turn, as under a slow handler.

    What workers may die of is attempted alone, so there few are enough.
    """
    last = MANY - 1
    arrived, done, clock = set(), [], new_clock()

    async def handle(_site, batch):
        done.extend(each.event.post_id for each in batch if each.event.post_id in arrived)
        return [each for each in batch if each.event.post_id not in arrived]

    await delete(*range(MANY))
    one = reader(handle, clock=clock, limits=SMALL)
    for _ in range(6):
        clock.now += 100
        await one.step()
    held = one.claims.leases.held
    assert len(held) == MANY
    if suspect:
        for each in held.values():
            each.attempts = leases.SUSPECT_ATTEMPTS

    arrived.add(last)
    for _ in range(2 * MANY):  # every other one is for what is new
        clock.now += 100
        await one.step()
    assert done == [last]
