"""Rows written down once as JSON: what is the same for everybody who sees a post or an author."""

from datetime import UTC, datetime

import msgspec

from events.ids import MAX_ID, created_ms
from stores.accounts import AccountRow
from stores.posts import PostRow, PostState

_json = msgspec.json.Encoder().encode


class RenditionCard(msgspec.Struct, frozen=True, array_like=True):
    """One stored size; the address between the two fragments is signed anew for each day."""

    width: int
    extension: str
    before_url: bytes


class PhotoCard(msgspec.Struct, frozen=True, array_like=True):
    """One photo of a post: what names its stored bytes, and its JSON up to the renditions."""

    sha256: str
    recipe: str
    before_renditions: bytes
    renditions: tuple[RenditionCard, ...]
    former: str
    """The recipe that was shown before, or nothing."""


class PostCard(msgspec.Struct, frozen=True, array_like=True):
    """A post in any state, for every viewer. Its JSON is cut where author and addresses go."""

    id: int
    author_id: int
    state: PostState
    published_ms: int
    versions: tuple[int, int]
    """What notices make old: its deletion, the highest there can be or 0, and its photos."""
    whole: bool
    """False while more is surely to come: still processing, or its caption not yet folded."""
    before_author: bytes
    before_photos: bytes
    photos: tuple[PhotoCard, ...]


class AuthorCard(msgspec.Struct, frozen=True, array_like=True):
    """An author as posts show it, and what its profile needs while there is no row to be had."""

    id: int
    username: str
    private: bool
    versions: tuple[int, int, int]
    """What this knows of display name, bio and privacy: each is folded by itself, in any order."""
    fragment: bytes
    display_name: str
    bio: str
    counts: tuple[int, int, int]
    """Posts, followers and following, as they were when this was written."""
    whole: bool = True
    erased: bool = False

    @property
    def private_version(self) -> int:
        return self.versions[2]


def post_card(row: PostRow) -> PostCard:
    """A row, written down once for all viewers."""
    return PostCard(
        id=row.id,
        author_id=row.author_id,
        state=row.state,
        published_ms=row.published_ms or 0,
        versions=(
            (MAX_ID, MAX_ID) if row.state >= PostState.DELETED else (0, row.published_version)
        ),
        whole=row.state >= PostState.DELETED
        or (row.state > PostState.PROCESSING and row.caption_version > 0),
        before_author=b'{"id":"%d","state":%b,%b"author":'
        % (row.id, _json(row.state.name.lower()), problem_of(row)),
        before_photos=b',"caption":%b,"created_at":%b,"published_at":%b,"edited_at":%b,"photos":['
        % (
            _json(row.caption),
            _json(rfc3339(created_ms(row.id))),
            _json(rfc3339(row.published_ms) if row.published_ms else None),
            _json(edited_at(row)),
        ),
        photos=tuple(photo_card(row, at) for at in range(len(row.photos))),
    )


def problem_of(row: PostRow) -> bytes:
    if row.state is not PostState.REJECTED:
        return b""
    problem = {"code": row.problem_code or "", "detail": row.problem_detail or ""}
    return b'"problem":%b,' % _json(problem)


def edited_at(row: PostRow) -> str | None:
    edited = max(row.caption_version, row.alts_version)
    return rfc3339(created_ms(edited)) if edited > row.id else None


def photo_card(row: PostRow, at: int) -> PhotoCard:
    photo = row.photos[at]
    alt = row.alts[at] if at < len(row.alts) else ""
    return PhotoCard(
        sha256=photo.sha256,
        recipe=photo.recipe,
        before_renditions=b'{"width":%d,"height":%d,"alt":%b,"placeholder":%b,"renditions":['
        % (photo.width, photo.height, _json(alt), _json(photo.placeholder)),
        renditions=tuple(
            RenditionCard(
                width=each.width,
                extension=each.extension,
                before_url=b'{"width":%d,"height":%d,"type":%b,"url":"'
                % (each.width, each.height, _json(media_type(each.extension))),
            )
            for each in photo.renditions
        ),
        former=photo.former,
    )


def media_type(extension: str) -> str:
    return "image/jpeg" if extension == "jpg" else f"image/{extension}"


def author_card(row: AccountRow) -> AuthorCard:
    """A row, written down once for all viewers."""
    shown = {
        "id": str(row.id),
        "username": row.username,
        "display_name": row.display_name,
        "avatar": None,
    }
    return AuthorCard(
        id=row.id,
        username=row.username,
        private=row.private,
        versions=(row.display_name_version, row.bio_version, row.private_version),
        fragment=_json(shown),
        display_name=row.display_name,
        bio=row.bio,
        counts=(row.posts, row.followers, row.following),
        erased=row.erased,
    )


def rfc3339(unix_ms: int) -> str:
    moment = datetime.fromtimestamp(unix_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{unix_ms % 1000:03d}Z"
