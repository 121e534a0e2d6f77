import pytest

from events.log import Log
from runtime.errors import Unavailable
from stores.condemned import absolve, any_condemned, condemn

PHOTOS = {"a" * 64, "b" * 64}


@pytest.fixture
def log(log_client):
    return Log(log_client, partitions=8, secret=b"s" * 32)


async def test_a_photo_is_condemned_by_one_sweeper_at_a_time(log):
    """The second gets what the first left, and may not end what the first began."""
    assert await condemn(log, {"a" * 64}, "one") == {"a" * 64}
    assert await condemn(log, PHOTOS, "other") == {"b" * 64}

    await absolve(log, PHOTOS, "other")
    assert await any_condemned(log, PHOTOS)
    assert not await any_condemned(log, {"b" * 64})
    await absolve(log, PHOTOS, "one")
    assert not await any_condemned(log, PHOTOS)


async def test_a_condemnation_stands_on_the_replicas_too(log_client):
    """Else a fail-over would forget it while deletes are on their way: then nothing is swept."""
    log = Log(log_client, partitions=8, secret=b"s" * 32, replicas=1)

    with pytest.raises(Unavailable):
        await condemn(log, PHOTOS, "one")
