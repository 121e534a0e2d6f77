"""What went wrong with an event, told without a word that its author sealed.

A letter stands in the clear beside an entry that is sealed, and outlives the key of that.
"""

import json
import traceback
from collections.abc import Iterator
from typing import Any

import asyncpg
import msgspec

from events.codec import sealed_fields
from events.envelope import Delivery, Event

CONCEALED = "***"
FEWEST = 3  # what is shorter tells nothing, and stands in every sentence


def reason_of(error: BaseException, delivery: Delivery[Any]) -> str:
    """One line for whoever decides what is to be done."""
    return _concealed(f"{type(error).__name__}: {_without_rows(error)}", delivery)


def trace_of(error: BaseException, delivery: Delivery[Any]) -> str:
    """Where it happened, with everything that led to it."""
    return _concealed("".join(traceback.format_exception(_without_rows(error))), delivery)


def _without_rows(error: BaseException) -> BaseException:
    """The same, in whose text PostgreSQL quotes no row: others' words stand in it, and cut ones."""
    for each in _all_of(error, set()):
        if isinstance(each, asyncpg.PostgresError):
            each.detail = None
    return error


def _all_of(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for each in (error.__cause__, error.__context__, *inner):
        yield from _all_of(each, seen)


def _concealed(text: str, delivery: Delivery[Any]) -> str:
    event: Event = delivery.event
    words = {
        spelling
        for name in sealed_fields(type(event))
        for word in _words_in(getattr(event, name))
        for spelling in (word, repr(word)[1:-1], json.dumps(word)[1:-1], *word.splitlines())
        if len(spelling) >= FEWEST
    }
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, CONCEALED)
    return text


def _words_in(value: Any) -> Iterator[str]:
    """Every text of a sealed field, and every number, however deep it stands."""
    match value:
        case str():
            yield value
        case bytes():
            yield value.decode(errors="replace")
        case bool() | None | msgspec.UNSET:
            return
        case int() | float():
            yield repr(value)
        case msgspec.Struct():
            for each in msgspec.structs.astuple(value):
                yield from _words_in(each)
        case list() | tuple():
            for each in value:
                yield from _words_in(each)
