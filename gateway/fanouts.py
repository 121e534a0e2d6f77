"""How far a post has come, for its author: what fan-out noted in the cache."""

import msgspec
from aiohttp import web
from msgspec import UNSET

from gateway.keys import FEEDS
from gateway.shapes import Fanout, Windows
from runtime.errors import Unavailable
from stores.progress import Fanouts


async def with_fanout(request: web.Request, post_id: int, body: bytes) -> bytes:
    """The post's JSON, with how far it has come, where the cache knows."""
    try:
        progress = await Fanouts(request.app[FEEDS]).of(post_id)
    except Unavailable:
        return body
    if progress is None:
        return body
    plan, met = progress.plan, progress.met
    fanout = Fanout(
        how="pulled" if plan.pulled else "pushed",
        done=progress.parts_done >= plan.parts,
        followers=plan.followers,
        windows=UNSET if plan.pulled else Windows(progress.written, met.absent, met.below),
    )
    return b'%b,"fanout":%b}' % (body[:-1], msgspec.json.encode(fanout))
