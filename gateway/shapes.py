"""What only the OpenAPI document needs as structs: a post, which is written as bytes, and its form.

tests/gateway/test_openapi.py holds them against real answers.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.drafts import MOST_ALT, MOST_CAPTION, MOST_PHOTOS

File = Annotated[
    str,
    Meta(extra_json_schema={"format": "binary", "contentMediaType": "application/octet-stream"}),
]
Alt = Annotated[str, Meta(max_length=MOST_ALT)]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class PostForm(msgspec.Struct, frozen=True):
    """Parts in any order; the n-th `alt` belongs to the n-th `photo`."""

    photo: Annotated[
        list[File],
        Meta(
            min_length=1,
            max_length=MOST_PHOTOS,
            description="JPEG, PNG, WebP, GIF, AVIF or HEIC, each of at most 25 MiB",
        ),
    ]
    alt: Annotated[list[Alt], Meta(max_length=MOST_PHOTOS)] | UnsetType = UNSET
    caption: Annotated[str, Meta(max_length=MOST_CAPTION)] | UnsetType = UNSET
    latitude: Annotated[float, Meta(ge=-90, le=90)] | UnsetType = UNSET
    longitude: Annotated[float, Meta(ge=-180, le=180)] | UnsetType = UNSET


class Author(msgspec.Struct, frozen=True):
    """An account as its posts show it."""

    id: str
    username: str
    display_name: str
    avatar: str | None


class Rendition(msgspec.Struct, frozen=True):
    """One size of a photo; `url` is signed and relative to the site."""

    width: int
    height: int
    type: str
    url: str


class Photo(msgspec.Struct, frozen=True):
    """`placeholder` is a thumbhash in base64."""

    width: int
    height: int
    alt: str
    placeholder: str
    renditions: list[Rendition]


class Rejection(msgspec.Struct, frozen=True):
    """Why a post was rejected."""

    code: str
    detail: str


class PostCounts(msgspec.Struct, frozen=True):
    likes: int
    comments: int


class PostViewer(msgspec.Struct, frozen=True):
    """What the post is to the one who asks."""

    liked: bool


class Windows(msgspec.Struct, frozen=True):
    """Followers' feeds that a post was pushed to so far: who has it, and why others do not."""

    written: int
    absent: int
    """Whoever was not here within 30 days has none; it is read for them when they come back."""
    below: int
    """They are full of newer posts; it is read for whoever scrolls that far."""


class Fanout(msgspec.Struct, frozen=True):
    """How a published post goes out, as its author is told: pushed to all, or pulled as they read.

    Only for some days, or for authors with many followers some weeks.
    """

    how: Literal["pushed", "pulled"]
    done: bool
    followers: int
    windows: Windows | UnsetType = UNSET


class Post(msgspec.Struct, frozen=True):
    """A post as one viewer sees it; `photos` is empty until it is published.

    `fanout` is shown to its author alone, and where the post is shown alone.
    """

    id: str
    state: Literal["processing", "published", "rejected"]
    author: Author
    caption: str
    created_at: Time
    published_at: Time | None
    edited_at: Time | None
    photos: list[Photo]
    counts: PostCounts
    viewer: PostViewer
    problem: Rejection | UnsetType = UNSET
    fanout: Fanout | UnsetType = UNSET
