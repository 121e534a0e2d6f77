"""Faults planted into the real code: a function as it stands, but for one phrase."""

import inspect
import sys
import textwrap

from events.telling import Progress
from workers.verifying import verify


def plant(monkeypatch, module, name, phrase, instead, *, of=None):
    """From now on `module.name` (or a method `of` a class in it) says something else."""
    owner = of or module
    function = getattr(owner, name)
    source = textwrap.dedent(inspect.getsource(function))
    assert phrase in source, "the code has changed; plant something else"
    namespace = dict(vars(sys.modules[function.__module__]))
    exec(source.replace(phrase, instead), namespace)  # noqa: S102 - our own source, one phrase of it
    monkeypatch.setattr(owner, name, namespace[name])


async def verdict_on(ground, **how):
    """What verifying ends with; nobody waits for who has nothing to do."""
    how = {"looks_apart_seconds": 0, "wait_seconds": 0} | how
    told = [each async for each in verify(ground, **how)]
    assert all(isinstance(each, Progress) for each in told[:-1])
    return told[-1]
