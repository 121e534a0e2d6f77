"""Every engine is tried both ways: stopped, and stalled, when it takes calls and never answers."""

import pytest

from runtime import health
from tests.faults.degraded.outages import STALLED, STOPPED


@pytest.fixture(params=[STOPPED, STALLED])
def how(request):
    return request.param


@pytest.fixture
def settings(settings, clean_site, monkeypatch):
    """Two partitions show as much as eight; nobody here is held to an allowance."""
    monkeypatch.setattr(health, "EVERY_SECONDS", 0.2)
    return settings.replace(partitions=2, decoders=1, limit_sign_ups=1_000, limit_sign_ins=1_000)
