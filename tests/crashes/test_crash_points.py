"""Every handler of the map dies at every point it passes, and nobody can tell afterwards."""

import pytest

from events.workbench import Wanted, retry_each, select, type_of
from tests.crashes import points
from tests.crashes.cases import INHERITED, LACKS, Case, all_cases, handlers, passed_by
from tests.crashes.lives import DIED
from tests.crashes.outcome import unsettled
from workers.subscriptions import SUBSCRIPTIONS

pytestmark = pytest.mark.asyncio(loop_scope="module")

# How a life must be led to get to a point.
CHANGES = {
    points.BEFORE_BURY: {"attempts": 1},
    points.AFTER_BURY: {"attempts": 1},
    points.RENEWING: {"lease_seconds": 0.03},
    points.RECLAIMING: {"lease_seconds": 0.001},
}


async def test_every_handler_of_the_map_has_its_points():
    """A handler that joins the map says which points it passes, or this fails."""
    assert LACKS.keys() == handlers()


@pytest.mark.parametrize("role", SUBSCRIPTIONS)
async def test_an_undisturbed_run_passes_exactly_the_points_named(beginnings, role):
    """No point is left out of the cases that a handler does pass."""
    passed, outcome = (await beginnings.of(role))[1:]

    assert outcome["not swept"] == []

    for each, tag in handlers():
        if each == role:
            assert passed[tag] == passed_by(role, tag), tag


@pytest.mark.parametrize("case", all_cases(), ids=str)
async def test_a_death_leaves_no_trace(beginnings, template, case):
    """After the next life everything is as if nobody had died: facts, rows, windows and objects.

    Nothing is pending, nothing is among the dead letters.
    """
    beginning = await beginnings.of(case.role)

    await die(template, case)
    if case.point == points.AFTER_BURY:
        await retry_what_is_buried(beginnings.stage, case)
    await beginnings.stage.drain(number=int(case.point in INHERITED))

    assert await unsettled(beginnings.stage) == {}
    assert await beginnings.outcome(beginning.kept) == beginning.outcome


@pytest.mark.parametrize(("role", "tag"), sorted(handlers()))
async def test_who_dies_twice_of_the_same_leaves_no_trace(beginnings, template, role, tag):
    """The second life does the work again and dies of it as the first; the third is done."""
    beginning, case = await beginnings.of(role), Case(role, tag, points.BEFORE_ACK)

    await die(template, case)
    await die(template, case)
    await beginnings.stage.drain()

    assert await unsettled(beginnings.stage) == {}
    assert await beginnings.outcome(beginning.kept) == beginning.outcome


async def retry_what_is_buried(stage, case):
    """It stands among the dead letters and nowhere else; whoever waits for it is not buried."""
    await stage.drain(to_the_end=False)
    found = [each async for each in select(stage.log, Wanted())]
    assert {(what.role, type_of(letter)) for what, letter in found} == {(case.role, case.tag)}
    assert [each.word async for each in retry_each(stage.log, select(stage.log, Wanted()))] == [
        "retried" for _ in found
    ]


async def die(template, case):
    """Live until the point, which must be reached."""
    order = {"role": case.role, "tag": case.tag, "point": case.point}
    if case.point in {points.RECLAIMING, points.BEGUN}:
        await die(template, case._replace(point=points.CLAIMED))
        order |= {"tag": points.ANYTHING, "number": int(case.point == points.RECLAIMING)}
    code, said = await template.live(changes=CHANGES.get(case.point, {}), **order)
    assert code == DIED, said
