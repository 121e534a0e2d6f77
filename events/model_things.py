"""What was said of one account, post or edge, played in the order of the log: its registers.

Every register knows the event that set it. The rules are those of `schema.sql`, told once more.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from events.ids import position_of
from events.model import Fact

PROCESSING, REJECTED, PUBLISHED, DELETED = 10, 20, 21, 30


class Register(NamedTuple):
    """A value, and the id of the event that set it; 0: no event did."""

    value: Any
    event: int = 0


Thing = dict[str, Register]


def account_of(facts: Sequence[Fact]) -> Thing | None:
    """None until it is registered."""
    thing = {"bio": Register(""), "private": Register(value=False)}
    for event, what, said in sorted(facts, key=_in_order):
        thing[what] = Register(said, event)
    return thing if "username" in thing else None


def author_of(facts: Sequence[Fact]) -> int | None:
    """Whose post it is, by the first who said anything of it but that it is to go."""
    speaking = [each for each in facts if each[1] != "deleted"]
    return min(speaking, key=_in_order)[2][0] if speaking else None


def post_of(facts: Sequence[Fact]) -> Thing | None:
    """None while nothing is known but that it is to be deleted."""
    author = author_of(facts)
    if author is None:
        return None
    thing: Thing = {
        "author_id": Register(author),
        "state": Register(PROCESSING),
        "caption": Register(""),
        "alts": Register([]),
        "place": Register(None),
        "photos": Register(b"[]"),
        "problem": Register((None, None)),
        "published_ms": Register(None),
        "deleted_ms": Register(None),
    }
    for event, what, (speaker, *said) in sorted(facts, key=_in_order):
        if speaker != author:
            continue
        match what:
            case "submitted":
                for name, value in zip(("caption", "alts", "place"), said, strict=True):
                    thing[name] = Register(value, event)
                _climb(thing, PROCESSING, event)
            case "published":
                thing["photos"] = Register(said[0], event)
                _first(thing, "published_ms", event)
                _climb(thing, PUBLISHED, event)
            case "rejected":
                thing["problem"] = Register(tuple(said), event)
                _climb(thing, REJECTED, event)
            case "deleted":
                _first(thing, "deleted_ms", event)
                _climb(thing, DELETED, event)
    return thing


def edge_of(facts: Sequence[Fact]) -> Thing:
    """The wish, the last withdrawal, the verdict on the latest wish, and whether all this holds."""
    thing: Thing = {
        "wish": Register(value=False),
        "withdrawn": Register(value=False),
        "verdict": Register((0, 0, None)),
    }
    for event, what, said in sorted(facts, key=_in_order):
        # A verdict counts if it answers a later wish than the one before, or the same one later.
        if what != "verdict" or said > thing[what].value:
            thing[what] = Register(said, event)
    answered, _, yes = thing["verdict"].value
    holds = thing["wish"].value and bool(yes) and answered > thing["withdrawn"].event
    return thing | {"holds": Register(holds)}


def _in_order(fact: Fact) -> int:
    return fact[0]


def _first(thing: Thing, name: str, event: int) -> None:
    if thing[name].value is None:
        thing[name] = Register(position_of(event).ms, event)


def _climb(thing: Thing, rung: int, event: int) -> None:
    state = thing["state"]
    if rung > state.value or not state.event:
        thing["state"] = Register(rung, event)
