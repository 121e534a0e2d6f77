"""From the evidence to an answer: one sentence that says why a feed has a post or not."""

from typing import NamedTuple

from events.arguments import rfc3339
from events.catalogue import tag_of
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.posts import PostDeleted, PostSubmitted
from stores.follows import EdgeRow
from stores.posts import PostRow, PostState
from workers.fates import Fate
from workers.feed_evidence import Evidence, Names

ROLE = "fanout"


class Answer(NamedTuple):
    """Whether the viewer sees the post; None where nobody can tell now."""

    sentence: str
    shown: bool | None
    fault: bool = False
    """What is stored contradicts itself: nothing that is under way explains it."""


def answer_of(e: Evidence, names: Names) -> Answer:
    """The first thing that decides; it reads as the feed route does."""
    for reason in (
        _no_post,
        _not_published,
        _not_followed,
        _taken_back,
        _no_window,
        _hidden,
        _there,
        _below,
        _beyond_outbox,
        _in_outbox,
    ):
        if answer := reason(e, names):
            return answer
    return _missing(e)


def _no_post(e: Evidence, _: Names) -> Answer | None:
    if e.rows and e.rows.post:
        return None
    if e.recorded is None:
        away = "" if e.rows else ", and PostgreSQL does not answer"
        text = f"There is no such post: nothing is recorded under that id{away}."
        return Answer(text, shown=False if e.rows else None)
    if e.recorded.type != tag_of(PostSubmitted):
        return Answer(f"That id is no post's: it is the event {e.recorded.type}.", shown=False)
    return None


def _not_published(e: Evidence, _: Names) -> Answer | None:
    if e.rows is None:
        return None
    if e.rows.post is None:
        undone = e.undone("submission", "posts")
        if undone is None:
            text = "Its row is missing, though the role posts is done with it: PostgreSQL lost it."
            return Answer(text, shown=False, fault=True)
        return Answer(f"Not yet: it is accepted, and posts is {undone.told}.", shown=False)
    if e.rows.post.state is PostState.PUBLISHED:
        return None
    return Answer(_stuck_at(e, e.rows.post), shown=False)


def _stuck_at(e: Evidence, post: PostRow) -> str:
    match post.state:
        case PostState.REJECTED:
            return f"No: it was rejected, {post.problem_code} ({post.problem_detail})."
        case PostState.DELETED:
            return "No: its author deleted it."
        case PostState.ERASED:
            return "No: its author's account was erased."
    undone = e.undone("submission", "renditions") or e.undone("publication", "posts")
    said = f": {undone.role} is {undone.told}" if undone else ""
    return f"Not yet: its photos are being processed{said}."


def _not_followed(e: Evidence, names: Names) -> Answer | None:
    if e.is_own:
        text = f"No: it is {names.viewer}'s own, and a feed shows those one follows."
        return Answer(text, shown=False)
    if e.rows is None or (e.rows.edge and e.rows.edge.holds):
        return None
    text = _why_not_followed(e, e.rows.edge, names)
    seen = e.window
    if seen and seen.ms is not None and not seen.hidden and not e.undone("withdrawal", ROLE):
        text += " But the window still has it, and does not hide its author."
        return Answer(text, shown=None, fault=True)
    return Answer(text, shown=False)


def _why_not_followed(e: Evidence, edge: EdgeRow | None, names: Names) -> str:
    viewer, author = names
    if e.heard(FollowRequested) > (edge.wish_version if edge else 0):
        return f"Not yet: {viewer} just asked to follow {author}, and graph has not come to it."
    if edge is None or not edge.wish_version:
        return f"No: {viewer} does not follow {author}, and never asked to."
    if not edge.wish:
        return f"No: {viewer} follows {author} no more (event {edge.withdrawn_version})."
    if edge.accepted_wish < edge.wish_version:
        undone = e.undone("wish", "graph")
        why = f"graph is {undone.told}" if undone else f"{author} has not decided"
        return f"No: {viewer} asked to follow {author} (event {edge.wish_version}), and {why}."
    return f"No: {author} refused {viewer} (event {edge.verdict_version})."


def _taken_back(e: Evidence, names: Names) -> Answer | None:
    """What gateways have heard, whatever rows and windows say."""
    if deletion := e.heard(PostDeleted):
        return Answer(f"No: it was just deleted (event {deletion}).", shown=False)
    withdrawn = e.heard(Unfollowed)
    if withdrawn > e.heard(FollowAccepted):
        text = f"No: {names.viewer} just left {names.author} (event {withdrawn})."
        return Answer(text, shown=False)
    return None


def _no_window(e: Evidence, _: Names) -> Answer | None:
    if e.window is None:
        return _by_postgres(e, "the cache does not answer, so it is up to PostgreSQL")
    if e.window.state == "building":
        return _by_postgres(e, "the window is being built, so it is up to PostgreSQL")
    if e.window.state == "absent" or e.window.hidden is None:
        return _by_postgres(e, "there is no window now, so it is up to PostgreSQL")
    return None


def _hidden(e: Evidence, names: Names) -> Answer | None:
    if not (e.window and e.window.hidden):
        return None
    if undone := e.undone("verdict", ROLE):
        text = f"Not yet: the window still hides {names.author}, and {ROLE} is {undone.told}."
        return Answer(text, shown=False)
    if e.rows is None:
        return Answer(f"No: the window hides {names.author}.", shown=False)
    text = f"No: the window hides {names.author}, though {names.viewer} follows {names.author}."
    return Answer(text, shown=False, fault=True)


def _there(e: Evidence, _: Names) -> Answer | None:
    if e.window and e.window.ms is not None:
        return Answer("Yes: it stands in the window, and nothing hides it.", shown=True)
    return None


def _below(e: Evidence, _: Names) -> Answer | None:
    published = e.rows.post.published_ms if e.rows and e.rows.post else None
    if published is None:
        text = "It is not in the window, and PostgreSQL does not answer what lies below that."
        return Answer(text, shown=None)
    if e.window and published <= e.window.floor:
        return _by_postgres(e, "it lies below the window's floor, so it is up to PostgreSQL")
    return None


def _beyond_outbox(e: Evidence, names: Names) -> Answer | None:
    """Of a pulled post above the window's floor that its author's outbox does not tell of."""
    published = e.rows.post.published_ms if e.rows and e.rows.post else None
    if not e.is_pulled or e.outbox is None or published is None:
        return None
    box, outbox = e.outbox.box, f"the outbox of {names.author}"
    if box.state != "window":
        return _by_postgres(e, f"it is pulled; {outbox} is {box.state}, so it is up to PostgreSQL")
    if published <= box.floor:
        return _by_postgres(e, f"it is pulled, from below {outbox}, so it is up to PostgreSQL")
    return None


def _in_outbox(e: Evidence, names: Names) -> Answer | None:
    if not e.is_pulled or e.outbox is None:
        return None
    if e.outbox.box.ms is None:
        return _missing(e, f"outbox of {names.author}")
    if e.outbox.on_roll is False and e.undone("publication", ROLE) is None:
        text = f"No: it is pulled, and nobody looks in the outbox of {names.author}."
        return Answer(text, shown=False, fault=True)
    if e.outbox.followed is False and e.undone("verdict", ROLE) is None:
        text = f"No: it is pulled, and {names.viewer} does not look in {names.author}'s outbox."
        return Answer(text, shown=False, fault=True)
    text = f"Yes: it is pulled: it stands in the outbox of {names.author}, and nothing hides it."
    return Answer(text, shown=True)


def _missing(e: Evidence, where: str = "window") -> Answer:
    """Above the floor and not there: on its way, or a hole."""
    undone: Fate | None = None
    for what in ("publication", "chunk", "verdict"):
        undone = undone or e.undone(what, ROLE)
    if undone is None:
        published = e.rows.post.published_ms if e.rows and e.rows.post else None
        floor = e.window.floor if e.window else 0
        text = (
            f"A HOLE: published {rfc3339(published or 0)}, above the window's floor "
            f"({rfc3339(floor) if floor else 'none: it should hold all'}), it is not in the "
            f"{where}, though {ROLE} is done with it."
        )
        return Answer(text, shown=False, fault=True)
    if undone.state in {"buried", "dropped"}:
        text = f"No: {ROLE} could not bring it ({undone.told}); see `dead-letters`."
        return Answer(text, shown=False)
    return Answer(f"Not yet: {ROLE} is {undone.told}.", shown=False)


def _by_postgres(e: Evidence, because: str) -> Answer:
    if e.rows is None:
        return Answer(f"Nobody can tell: {because}, which does not answer.", shown=None)
    if e.rows.pulled:
        return Answer(f"Yes: {because}, and it has the post.", shown=True)
    text = f"No: {because}, and it does not have the post, though it should."
    return Answer(text, shown=False, fault=True)
