"""One life of a process, as real as `python -m workers` or `python -m gateway`, up to its death."""

import asyncio
import os
import signal
import traceback
from pathlib import Path

import msgspec
import pytest
import uvloop
from aiohttp import web

from events.catalogue import BY_TAG
from gateway.app import build_app
from gateway.keys import NOTICES
from runtime.loglines import configure_logging
from runtime.settings import Settings, load
from runtime.shutdown import stop_on_signals
from tests.crashes import archiving, points
from tests.crashes.points import ANYTHING, BEFORE_ACK, BEFORE_BURY, DRAINING, RENEWING
from workers import fanout
from workers.process import work
from workers.subscriptions import SUBSCRIPTIONS

DIED = 86
UNREACHED = 3
PATIENCE_SECONDS = 20

FOLLOWERS_PER_CHUNK = 2  # so that a story of a few people has direct pushes and chunks


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Who shall live, and where it shall die."""

    environ: dict[str, str]
    changes: dict[str, float]
    """Settings that no operator would choose, such as a lease of a millisecond."""
    point: str
    tag: str = ANYTHING
    role: str
    """Of a worker; `gateway` is one."""
    number: int = 0
    socket: str = ""
    """Where a gateway listens."""


def live(order: Order) -> None:
    configure_logging("warning")
    settings = load(order.environ).replace(**order.changes)
    try:
        uvloop.run(LIVES.get(order.role, labour)(order, settings))
    except BaseException:
        traceback.print_exc()
        raise


async def labour(order: Order, settings: Settings) -> None:
    """A worker of the role that dies at the point, on behalf of one handler."""
    stopping = stop_on_signals()
    asyncio.get_running_loop().call_later(PATIENCE_SECONDS, os._exit, UNREACHED)
    patch = pytest.MonkeyPatch()
    patch.setattr(fanout, "FOLLOWERS_PER_CHUNK", FOLLOWERS_PER_CHUNK)
    handlers = SUBSCRIPTIONS[order.role]
    for kind, handler in handlers.items():
        first = FIRST.get(order.point) if kind is BY_TAG.get(order.tag) else None
        handlers[kind] = points.watched(kind, handler, first=first and first(stopping))
    points.arm(patch, deadly(order))
    await work(settings, order.role, order.number, stopping, lambda: "ready")


def deadly(order: Order):
    """Exit at the point, without a word to anybody; as a power cut would."""
    # In a drain the process dies where every delivery does that is done and not acknowledged.
    awaited = BEFORE_ACK if order.point == DRAINING else order.point

    def reached(point, tags):
        if point == awaited and order.tag in tags:
            os._exit(DIED)

    return reached


async def keep_archive(order: Order, settings: Settings) -> None:
    """An archive that dies at the point."""
    asyncio.get_running_loop().call_later(PATIENCE_SECONDS, os._exit, UNREACHED)
    await archiving.keep(settings, lambda point: point == order.point and os._exit(DIED))


def told_to_stop(stopping):
    """SIGTERM comes with the batch in hand; what is in hand is finished."""

    async def first(_batch):
        os.kill(os.getpid(), signal.SIGTERM)
        await stopping.wait()

    return first


def failing(_stopping):
    """Nothing can be done about these events in this life."""

    async def first(_batch):
        raise ValueError("poison")

    return first


def slow(_stopping):
    """The batch takes longer than its lease is renewed."""

    async def first(_batch):
        await asyncio.Event().wait()

    return first


FIRST = {
    DRAINING: told_to_stop,
    BEFORE_BURY: failing,
    points.AFTER_BURY: failing,
    RENEWING: slow,
}


async def serve(order: Order, settings: Settings) -> None:
    """A gateway that dies at the point of the first command it is given."""
    asyncio.get_running_loop().call_later(PATIENCE_SECONDS, os._exit, UNREACHED)
    app = build_app(settings, "all")
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    while not app[NOTICES].ready:  # noqa: ASYNC110 - readiness is a flag, as health reads it
        await asyncio.sleep(0.005)
    points.arm(pytest.MonkeyPatch(), deadly(order))
    await web.UnixSite(runner, str(Path(order.socket))).start()
    await asyncio.Event().wait()


LIVES = {"gateway": serve, "archive": keep_archive}
"""Of processes that have no handlers."""
