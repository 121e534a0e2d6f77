"""POST /v1/posts: photos stream into staging, then one event says that they wait there.

No byte of a photo is kept in memory longer than it takes to pass it on.
"""

import msgspec
from aiohttp import web

from events.appended import Appended
from events.posts import PostSubmitted
from gateway.answers import json_answer, replay_header
from gateway.bodies import idempotency_of, refuse_other_than
from gateway.drafts import MOST_PHOTO_BYTES, MOST_PHOTOS, Draft, Finished
from gateway.forms import Pace, parts_of
from gateway.inflight import UPLOADS
from gateway.keys import LOG, OBJECTS, REQUEST_ID, viewer_of
from gateway.room import WAITING
from gateway.routing import Route
from gateway.shapes import PostForm
from runtime.errors import Conflict, Forbidden, Invalid, TooLarge, Unavailable

MOST_BYTES = MOST_PHOTOS * MOST_PHOTO_BYTES + 1024 * 1024  # and room for fields and boundaries


class Submitted(msgspec.Struct, frozen=True):
    """A post is durable and will be worked on; `id` is the post's."""

    id: str
    event: str
    state: str = "processing"


async def submit_post(request: web.Request) -> web.Response:
    """Stage the photos, record the post, say where it will be."""
    refuse_other_than(request, "multipart/form-data")
    idempotency_of(request, viewer_of(request).account_id, b"")  # a bad key is told at once
    with request.app[UPLOADS].admit(bytes_held(request), viewer_of(request).account_id):
        await refuse_when_erased(request)
        draft = Draft(request.app[OBJECTS])
        appended = await record(request, draft, await receive(request, draft))
    answer = Submitted(id=str(appended.id), event=str(appended.address))
    headers = replay_header(replayed=appended.replayed) | {"Location": f"/v1/posts/{appended.id}"}
    return json_answer(answer, status=202, headers=headers)


def bytes_held(request: web.Request) -> int:
    """What the body takes of our disk at most: one photo at a time, until storage has it."""
    size_bytes = request.content_length
    if size_bytes is None:
        return MOST_PHOTO_BYTES
    if size_bytes > MOST_BYTES:
        raise TooLarge("too-large", f"an upload has at most {MOST_BYTES} bytes")
    return min(size_bytes, MOST_PHOTO_BYTES)


async def refuse_without_room(request: web.Request) -> None:
    """503 while there is no place for this upload, here, behind those that wait, or in storage.

    One question to storage is for all who ask meanwhile: it costs less than the body.
    """
    request.app[WAITING].refuse_when_hopeless()
    request.app[UPLOADS].refuse_beyond(bytes_held(request), viewer_of(request).account_id)
    if not await request.app[OBJECTS].alive():
        raise Unavailable("objects-unavailable", "Photos cannot be stored right now.")


async def refuse_when_erased(request: web.Request) -> None:
    """Say so before the body: nobody sends megabytes to hear that."""
    if await request.app[LOG].wrapped_key(viewer_of(request).account_id) is None:
        raise Forbidden("account-erased", "The account is no longer there.")


async def receive(request: web.Request, draft: Draft) -> Finished:
    """The whole form into the draft; a form that is refused leaves nothing staged."""
    try:
        async for part in parts_of(request, Pace()):
            await draft.take(part)
        return draft.finish()
    except Exception:
        await draft.discard()
        raise


async def record(request: web.Request, draft: Draft, post: Finished) -> Appended:
    """Append the event. The staged photos are its own unless it was surely not recorded."""
    author_id = viewer_of(request).account_id
    try:
        appended = await request.app[LOG].append(
            PostSubmitted(
                photos=post.photos, caption=post.caption, alts=post.alts, place=post.place
            ),
            actor=author_id,
            idempotency=idempotency_of(request, author_id, post.command),
            request=request[REQUEST_ID],
        )
    except (Conflict, Forbidden, Invalid):
        await draft.discard()
        raise
    except Unavailable as error:
        if error.code != "unknown-outcome":
            await draft.discard()
        raise
    if appended.replayed:
        await draft.discard()  # the first upload's photos are the post's
    return appended


ROUTES = (
    Route(
        "POST",
        "/v1/posts",
        submit_post,
        "write",
        summary="Post one to ten photos",
        body=PostForm,
        body_type="multipart/form-data",
        answer=Submitted,
        status=202,
        limit="uploads",
        room=refuse_without_room,
    ),
)
