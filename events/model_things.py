"""What was said of one account, post or edge, played in the order of the log: its registers.

Every register knows the event that set it. The rules are those of `schema.sql`, told once more.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from events.ids import MAX_ID, position_of
from events.model import Fact

PROCESSING, REJECTED, PUBLISHED, DELETED, ERASED = 10, 20, 21, 30, 40


class Register(NamedTuple):
    """A value, and the id of the event that set it; 0: no event did."""

    value: Any
    event: int = 0


Thing = dict[str, Register]


def account_of(facts: Sequence[Fact]) -> Thing | None:
    """None until it is registered; of an erased one only the reserved name is left."""
    thing = {
        "bio": Register(""),
        "private": Register(value=False),
        "erased": Register(value=False),
    }
    for event, what, said in sorted(facts, key=_in_order):
        thing[what] = Register(said, event)
        if what == "erased":
            thing |= dict.fromkeys(("display_name", "bio", "password_hash"), Register("", event))
    return thing if "username" in thing else None


def erased_by(facts: Sequence[Fact]) -> int:
    """The event that erased an account; 0: none has."""
    return max((event for event, what, _ in facts if what == "erased"), default=0)


def author_of(facts: Sequence[Fact]) -> int | None:
    """Whose post it is, by the first who said anything of it but that it is to go."""
    speaking = [each for each in facts if each[1] != "deleted"]
    return min(speaking, key=_in_order)[2][0] if speaking else None


def post_of(facts: Sequence[Fact], erased: int = 0) -> Thing | None:
    """None while nothing is known but that it is to be deleted.

    Of one whose author was erased, by that event, only the digests of its photos are left.
    """
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
            case "rerendered":
                thing["photos"] = Register(said[0], event)
            case "rejected":
                thing["problem"] = Register(tuple(said), event)
                _climb(thing, REJECTED, event)
            case "deleted":
                _first(thing, "deleted_ms", event)
                _climb(thing, DELETED, event)
    return _without_words(thing, erased) if erased else thing


def edge_of(facts: Sequence[Fact], erased: tuple[int, int] = (0, 0)) -> Thing:
    """The wish, the last withdrawal, the verdict on the latest wish, and whether all this holds.

    `erased`: by which events follower and followee were. The one then wishes nothing any more, the
    other has said no to all wishes there may ever be.
    """
    follower_gone, followee_gone = erased
    endings: list[Fact] = []
    if follower_gone:
        endings += [(follower_gone, "wish", False), (follower_gone, "withdrawn", True)]
    if followee_gone:
        endings.append((followee_gone, "verdict", (MAX_ID, followee_gone, False)))
    thing: Thing = {
        "wish": Register(value=False),
        "withdrawn": Register(value=False),
        "verdict": Register((0, 0, None)),
    }
    for event, what, said in sorted([*facts, *endings], key=_in_order):
        # A verdict counts if it answers a later wish than the one before, or the same one later.
        if what != "verdict" or said > thing[what].value:
            thing[what] = Register(said, event)
    answered, _, yes = thing["verdict"].value
    holds = thing["wish"].value and bool(yes) and answered > thing["withdrawn"].event
    return thing | {"holds": Register(holds)}


def _without_words(thing: Thing, erased: int) -> Thing:
    shas = sorted({each["sha256"] for each in msgspec.json.decode(thing["photos"].value)})
    photos = msgspec.json.encode([{"sha256": each} for each in shas])
    return thing | {
        "state": Register(ERASED, erased),
        "caption": thing["caption"]._replace(value=""),
        "alts": thing["alts"]._replace(value=[]),
        "place": Register(None, erased),
        "photos": thing["photos"]._replace(value=photos),
        "problem": thing["problem"]._replace(value=(None, None)),
    }


def _in_order(fact: Fact) -> int:
    return fact[0]


def _first(thing: Thing, name: str, event: int) -> None:
    if thing[name].value is None:
        thing[name] = Register(position_of(event).ms, event)


def _climb(thing: Thing, rung: int, event: int) -> None:
    state = thing["state"]
    if rung > state.value or not state.event:
        thing["state"] = Register(rung, event)
