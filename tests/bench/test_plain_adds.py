import os

import pytest

from bench.plain_adds import add, encode

KEYS = [b"plain:%d" % number for number in range(1_201)]


async def test_an_entry_stands_in_every_window_once_it_is_said_to(engines, cache_client):
    """The reference of fan-out counts no command that was not carried out."""
    add(engines.cache_url, encode(KEYS, 17, 4_711), len(KEYS), os.getpid())

    for key in KEYS:
        assert await cache_client.zrange(key, 0, -1, withscores=True) == [(b"4711", 17.0)]


async def test_an_entry_that_was_there_before_is_no_entry_added(engines, cache_client):
    await cache_client.zadd(KEYS[700], {"4711": 17})

    with pytest.raises(ConnectionError):
        add(engines.cache_url, encode(KEYS, 17, 4_711), len(KEYS), os.getpid())


async def test_a_window_of_another_type_is_noticed(engines, cache_client):
    await cache_client.set(KEYS[3], "no window")

    with pytest.raises(ConnectionError):
        add(engines.cache_url, encode(KEYS, 17, 4_711), len(KEYS), os.getpid())
