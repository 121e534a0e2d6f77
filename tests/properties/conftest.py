"""What the machines of windows and outboxes stand on."""

from types import SimpleNamespace

import pytest

from gateway import pulling
from stores import pulls


@pytest.fixture
def pulled_in_turn(monkeypatch):
    """Let builds wait before they read Postgres, and after."""
    engines = SimpleNamespace()

    async def entries_of(_app, viewer_id, before, count):
        await engines.turns.mine()
        rows = await pulls.feed_pull(engines.database, viewer_id, before, count)
        return [(ms, post_id) for ms, post_id, _ in rows]

    monkeypatch.setattr(pulling, "entries_of", entries_of)
    return engines
