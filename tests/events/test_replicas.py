"""With a replica configured, acknowledged means that the replica has it too."""

import asyncio
import signal
import socket
import subprocess

import pytest
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError

from events.accounts import AccountRegistered
from events.idempotency import Idempotency
from events.log import Log
from events.posts import PostDeleted
from runtime.connections import open_redis
from runtime.engines import valkey
from runtime.errors import Unavailable


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def primary(tmp_path):
    """The address of a log server with one replica, and the replica's process."""
    ports, processes = [free_port(), free_port()], []
    for port, options in zip(ports, ([], ["--replicaof", "127.0.0.1", str(ports[0])]), strict=True):
        folder = tmp_path / str(port)
        folder.mkdir()
        command = [valkey.binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        command += ["--appendonly", "yes", "--save", "", "--repl-diskless-sync-delay", "0"]
        processes.append(subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL))
    yield f"redis://127.0.0.1:{ports[0]}", processes[1]
    for process in processes:
        process.kill()
        process.wait()


async def test_a_repeat_is_not_acknowledged_before_the_replica_has_the_first(primary):
    """Cut off from it, each answer is `unknown-outcome`; once it is back, the repeat a replay."""
    address, replica = primary
    async with open_redis(address, 8, 5) as client:
        async with asyncio.timeout(20):
            await in_step(client)
        log = Log(client, partitions=8, secret=b"s" * 32, replicas=1)
        ada = (await log.register(AccountRegistered(username="ada"))).id
        key = Idempotency(str(ada), "k", b"command")

        replica.send_signal(signal.SIGSTOP)
        for _ in range(2):
            with pytest.raises(Unavailable, match="unknown-outcome"):
                await log.append(PostDeleted(post_id=1), actor=ada, idempotency=key)
            await client.connection_pool.disconnect()  # the repeat comes over another connection

        replica.send_signal(signal.SIGCONT)
        assert (await log.append(PostDeleted(post_id=1), actor=ada, idempotency=key)).replayed


async def in_step(client):
    """Return when the server answers and its replica follows it."""
    while True:
        try:
            if (await client.info("replication")).get("slave0", {}).get("state") == "online":
                return
        except (RedisConnectionError, BusyLoadingError):
            pass  # still starting
        await asyncio.sleep(0.05)
