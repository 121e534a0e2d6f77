"""Which errors mean that an engine is down or stalled, rather than that a command is wrong."""

import asyncpg
from aiohttp import ClientConnectionError
from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import (
    BusyLoadingError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from runtime.errors import Unavailable

_OUTAGES = (
    Unavailable,
    OSError,  # refused, reset, unreachable; TimeoutError is one too
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ClientConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InvalidAuthorizationSpecificationError,  # a password was changed under us
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InvalidCatalogNameError,  # not restored yet
    asyncpg.UndefinedTableError,  # not of our version yet
    asyncpg.UndefinedColumnError,
    asyncpg.OperatorInterventionError,  # being shut down
    asyncpg.InsufficientResourcesError,  # out of disk, memory or connections
    asyncpg.ReadOnlySQLTransactionError,  # demoted: the primary is elsewhere now
    asyncpg.DeadlockDetectedError,
    asyncpg.InterfaceError,  # a connection closed under us
    asyncpg.InternalClientError,  # one that was told the server ends, and has not ended yet
)

REFUSING = (
    "MISCONF",
    "CLUSTERDOWN",
    "NOREPLICAS",
    "UNBLOCKED",
    "TRYAGAIN",
    "BUSY ",
    "NOGROUP",
    "OOM ",  # for which redis-py has a class, and stores/link.py has none
)
"""How a server says that it cannot now, in answers that redis-py has no class for.

A group that a restore lost is made again by the next read."""


def is_outage(error: BaseException) -> bool:
    """Whether trying the same again later may succeed without anything else being changed."""
    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)) >= 500
    if isinstance(error, ResponseError) and str(error).startswith(REFUSING):
        return True
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        return False  # the driver refused the arguments: a fault of the delivery, not of the engine
    return isinstance(error, (*_OUTAGES, BotoCoreError))
