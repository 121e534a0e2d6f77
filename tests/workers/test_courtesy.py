"""What is large slows down while others wait for a core, and at no other time."""

import asyncio

import pytest

from workers.courtesy import (
    CALM,
    CATCHING_UP_SECONDS,
    CROWDED,
    LOOK_SECONDS,
    WINDOWS_A_SECOND,
    Courtesy,
)


class Machine:
    """A clock, and how long somebody has waited for a core, as the kernel would write it."""

    def __init__(self, path):
        self.path, self.now, self.waited = path, 100.0, 7.0
        self.write()

    def pass_time(self, seconds, waited):
        self.now += seconds
        self.waited += waited
        self.write()

    def write(self):
        self.path.write_text(
            f"some avg10=0.00 avg60=0.00 avg300=0.00 total={int(self.waited * 1e6)}\n"
            "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
        )


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "cpu")


def courtesy_on(machine):
    return Courtesy(machine.path, lambda: machine.now)


def test_it_is_crowded_while_somebody_waits_for_much_of_the_time(machine):
    """Two looks in a moment give the same answer, and it ends later than it began.

    Else what is large would hurry in each moment that its own rest made calm.
    """
    looking = courtesy_on(machine)
    assert not looking.is_crowded()
    machine.pass_time(1.0, CROWDED * 0.9)
    assert not looking.is_crowded()
    machine.pass_time(1.0, CROWDED * 1.1)
    assert looking.is_crowded()
    machine.pass_time(LOOK_SECONDS / 2, 0.0)
    assert looking.is_crowded()
    machine.pass_time(1.0, CALM * 1.1)
    assert looking.is_crowded()
    machine.pass_time(1.0, CALM * 0.9)
    assert not looking.is_crowded()
    machine.pass_time(1.0, CALM * 1.1)
    assert not looking.is_crowded()


@pytest.mark.parametrize("said", [None, "", "nonsense"])
def test_where_the_kernel_does_not_say_nobody_waits(machine, said):
    looking = courtesy_on(machine)
    machine.path.unlink()
    if said is not None:
        machine.path.write_text(said)
    machine.now += 1
    assert not looking.is_crowded()
    assert not Courtesy(machine.path, lambda: machine.now).is_crowded()


@pytest.mark.parametrize("crowded", [False, True])
async def test_pushing_is_paced_on_a_crowded_machine_alone(machine, monkeypatch, crowded):
    """Then so many windows take as long as they would at the pace, and no longer."""
    looking = courtesy_on(machine)
    began = machine.now

    async def sleep(seconds):
        machine.pass_time(seconds, seconds if crowded else 0.0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    machine.pass_time(1.0, 1.0 if crowded else 0.0)
    for _ in range(40):
        await looking.give_way(WINDOWS_A_SECOND // 10)

    took = machine.now - began - 1.0
    assert took == pytest.approx(4.0 - CATCHING_UP_SECONDS if crowded else 0.0, abs=0.01)


async def test_who_was_held_up_may_catch_up_a_little(machine, monkeypatch):
    """But nobody saves up for a burst."""
    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        machine.pass_time(seconds, seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    looking = courtesy_on(machine)
    machine.pass_time(60.0, 60.0)
    await looking.give_way(int(WINDOWS_A_SECOND * CATCHING_UP_SECONDS))
    assert slept == []
    await looking.give_way(WINDOWS_A_SECOND)
    assert slept == [pytest.approx(1.0)]
