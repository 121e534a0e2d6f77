"""Topic `posts`: a post's life from staged bytes to published renditions."""

import msgspec

from events.envelope import Event, Sealed


class PostEvent(Event, frozen=True, kw_only=True):
    """An event of the topic `posts`."""

    TOPIC = "posts"


class StagedPhoto(msgspec.Struct, frozen=True, kw_only=True):
    """An uploaded photo waiting in staging: a claim check, for bytes never travel in the log."""

    key: str
    sha256: str
    size_bytes: int


class Rendition(msgspec.Struct, frozen=True, kw_only=True):
    """One stored size of a photo, in pixels; `extension` names its format."""

    width: int
    height: int
    extension: str
    size_bytes: int


class RenderedPhoto(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything learned of one photo. Width and height are the upright source's, in pixels."""

    sha256: str
    size_bytes: int
    width: int
    height: int
    placeholder: str
    """A thumbhash, base64."""
    recipe: str
    renditions: tuple[Rendition, ...]
    former: str = ""
    """The recipe that this one replaced in the post: addresses of its renditions are still good."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the photo was taken, as its author chose to say; degrees."""

    latitude: float
    longitude: float


class PostSubmitted(PostEvent, frozen=True, kw_only=True, tag="post.submitted"):
    """Photos were uploaded and wait in staging; the post's id is the event's own.

    Announced by gateway/uploads.py; read by workers/renditions.py and workers/posts.py.
    """

    photos: tuple[StagedPhoto, ...]
    caption: Sealed[str] = ""
    alts: Sealed[tuple[str, ...]] = ()
    """One a photo, in the photos' order; missing ones read as empty."""
    place: Sealed[Place | None] = None


class PostPublished(PostEvent, frozen=True, kw_only=True, tag="post.published"):
    """Every rendition of every photo is stored; followers may see the post.

    Its position is the moment of publication, by which feeds are ordered.
    Announced by workers/renditions.py; read by workers/posts.py and workers/fanout.py.
    """

    ANSWERS = "post.decided"

    post_id: int
    photos: tuple[RenderedPhoto, ...]


class PostRerendered(PostEvent, frozen=True, kw_only=True, tag="post.rerendered"):
    """The post's photos in the present recipe, every rendition stored; nothing else changes.

    Announced by workers/renewing.py; read by workers/posts.py.
    """

    HIDES = True

    post_id: int
    photos: tuple[RenderedPhoto, ...]


class PostRejected(PostEvent, frozen=True, kw_only=True, tag="post.rejected"):
    """A photo cannot be shown, and why: a stable code and a sentence for its author.

    Announced by workers/renditions.py; read by workers/posts.py.
    """

    ANSWERS = "post.decided"

    post_id: int
    code: str
    detail: str


class PostDeleted(PostEvent, frozen=True, kw_only=True, tag="post.deleted"):
    """Its author took the post back.

    Announced by gateway/posts.py; read by workers/posts.py.
    """

    HIDES = True

    post_id: int
