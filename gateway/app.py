"""The app: which routes there are, what surrounds them, what they stand on."""

from collections.abc import Iterator
from itertools import groupby
from typing import Literal

from aiohttp import web

from gateway import (
    accounts,
    commands,
    docs,
    erasing,
    feed,
    following,
    media,
    openapi,
    posts,
    sessions,
    uploads,
)
from gateway.canonical import every_request, finish_headers
from gateway.express import open_express
from gateway.guarding import guarded, misdirected
from gateway.keys import SETTINGS
from gateway.resources import RESOURCES
from gateway.routing import Route
from runtime.settings import Settings

Role = Literal["read", "write", "all"]

MODULES = (
    accounts,
    sessions,
    erasing,
    commands,
    following,
    uploads,
    posts,
    media,
    feed,
    openapi,
    docs,
)


def build_app(settings: Settings, role: Role) -> web.Application:
    """Every path in every role, so that 405 and `Allow` are right; one role's handlers."""
    app = web.Application(middlewares=[every_request])
    app[SETTINGS] = settings
    app[openapi.ALL_ROUTES] = tuple(all_routes())
    app.on_response_prepare.append(finish_headers)
    app.cleanup_ctx.extend(RESOURCES)
    if role != "write":
        app.cleanup_ctx.append(open_express)
    for (_, path), routes in groupby(sorted(all_routes(), key=by_path), key=by_path):
        resource = app.router.add_resource(path)
        for route in routes:
            handler = guarded(route) if role in (route.side, "all") else misdirected
            resource.add_route(route.method, handler)
            if route.method == "GET":
                resource.add_route("HEAD", handler)
    return app


def all_routes() -> Iterator[Route]:
    """Every route of every module."""
    for module in MODULES:
        yield from module.ROUTES


def by_path(route: Route) -> tuple[int, str]:
    # aiohttp takes the first path that fits: fixed ones stand before those with a name in them.
    return route.path.count("{"), route.path
