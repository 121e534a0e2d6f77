"""Each thing that decides whether a post is in a feed, with its verdict and the evidence."""

from collections.abc import Iterator
from typing import NamedTuple

from events.accounts import ProfileEdited
from events.arguments import rfc3339
from events.catalogue import tag_of
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.posts import PostDeleted, PostSubmitted
from stores.posts import PostState
from workers.fanout_told import told
from workers.feed_evidence import Evidence, Names, Step

YES, NO, UNKNOWN = "yes", "no", "?"


class Check(NamedTuple):
    """`verdict` is yes (it speaks for the post being shown), no, or `?` where nobody can tell."""

    name: str
    verdict: str
    evidence: str


def checks_of(e: Evidence, names: Names) -> Iterator[Check]:
    """All that a feed asks of a post, in that order; of no post, only that there is none."""
    yield _recorded(e)
    yield _state(e)
    if e.author_id is None:
        return
    yield Check("own", NO if e.is_own else YES, f"{names.author} posted it")
    yield _follow(e, names)
    for step in e.steps:
        yield _step(step)
    if e.progress:
        yield Check("fan-out", YES, told(e.progress))
    yield _window(e)
    if e.is_pulled:
        yield _outbox(e, names)
    yield _hidden(e, names)
    yield _privacy(e, names)
    yield from _notices(e)
    yield _postgres(e)


def _recorded(e: Evidence) -> Check:
    if e.recorded is None:
        return Check("recorded", UNKNOWN, "nothing stands at that id, in the log or the archive")
    is_post = e.recorded.type == tag_of(PostSubmitted)
    return Check("recorded", YES if is_post else NO, f"{e.recorded.type} at {e.recorded.address}")


def _state(e: Evidence) -> Check:
    if e.rows is None:
        return Check("state", UNKNOWN, "PostgreSQL does not answer")
    post = e.rows.post
    if post is None:
        return Check("state", "no", "no row yet")
    said = post.state.name.lower()
    if post.published_ms is not None:
        said += f", published {rfc3339(post.published_ms)} by event {post.published_version}"
    if post.problem_code:
        said += f", {post.problem_code}"
    return Check("state", YES if post.state is PostState.PUBLISHED else NO, said)


def _follow(e: Evidence, names: Names) -> Check:
    if e.rows is None:
        return Check("follow", UNKNOWN, "PostgreSQL does not answer")
    edge = e.rows.edge
    if edge is None:
        return Check("follow", "no", f"no row between {names.viewer} and {names.author}")
    wish = f"wish {edge.wish_version}" if edge.wish else f"withdrawn by {edge.withdrawn_version}"
    verdict = {None: "no verdict", True: "accepted", False: "refused"}[edge.accepted]
    if edge.accepted is not None:
        verdict += f" by {edge.verdict_version} (of wish {edge.accepted_wish})"
    return Check("follow", YES if edge.holds else NO, f"{wish}, {verdict}")


def _step(step: Step) -> Check:
    done = all(each.state == "done" for each in step.fates)
    roles = "; ".join(f"{each.role} {each.told}" for each in step.fates) or "no role reads it"
    return Check(step.what, YES if done else NO, f"{step.event.address}: {roles}")


def _window(e: Evidence) -> Check:
    if e.window is None:
        return Check("window", UNKNOWN, "the cache does not answer")
    seen = e.window
    if seen.state != "window":
        return Check("window", UNKNOWN, f"{seen.state}: PostgreSQL decides ({seen.key})")
    reach = f"down to {rfc3339(seen.floor)}" if seen.floor else "all there are"
    among = f"{seen.entries} entries, {reach} ({seen.key})"
    if seen.ms is None and e.is_pulled:
        return Check("window", UNKNOWN, f"it is pulled, and not among its {among}")
    if seen.ms is None:
        return Check("window", NO, f"it is not among its {among}")
    return Check("window", YES, f"it stands at {rfc3339(seen.ms)}, one of {among}")


def _outbox(e: Evidence, names: Names) -> Check:
    if e.outbox is None:
        return Check("outbox", UNKNOWN, "the cache does not answer")
    box, followed = e.outbox.box, e.outbox.followed
    if box.state != "window":
        return Check("outbox", UNKNOWN, f"{box.state}: PostgreSQL decides ({box.key})")
    who = {None: "has no list yet of whom it follows", True: "looks there", False: "does not look"}
    said = f"{names.viewer} {who[followed]}; {box.entries} entries ({box.key})"
    if box.ms is None:
        return Check("outbox", NO, f"{names.author}'s does not have it; {said}")
    verdict = NO if e.outbox.on_roll is False or followed is False else YES
    return Check("outbox", verdict, f"{names.author}'s has it at {rfc3339(box.ms)}; {said}")


def _hidden(e: Evidence, names: Names) -> Check:
    if e.window is None or e.window.state != "window":
        return Check("hidden", UNKNOWN, "no window, so no set of hidden authors")
    if e.window.hidden is None:
        return Check("hidden", UNKNOWN, "the set was evicted: the next read drops the window")
    said = "hides" if e.window.hidden else "does not hide"
    return Check("hidden", NO if e.window.hidden else YES, f"the window {said} {names.author}")


def _privacy(e: Evidence, names: Names) -> Check:
    if e.rows is None or e.rows.author is None:
        return Check("privacy", UNKNOWN, f"no row of {names.author} is within reach")
    private, version = e.rows.author.private, e.rows.author.private_version
    for each in e.notices:
        says = each.payload.get("private")
        ours = each.type == tag_of(ProfileEdited) and each.actor == e.author_id
        if ours and isinstance(says, bool) and (each.event or 0) > version:
            private, version = says, each.event or 0
    if not private:
        return Check("privacy", "yes", f"{names.author} is public")
    follows = bool(e.rows.edge and e.rows.edge.holds)
    who = f"{names.viewer} {'a follower' if follows else 'no follower'}"
    return Check("privacy", YES if follows else NO, f"{names.author} is private, {who}")


def _notices(e: Evidence) -> Iterator[Check]:
    for kind in (PostDeleted, Unfollowed, FollowRequested, FollowAccepted):
        if version := e.heard(kind):
            against = kind is PostDeleted or (
                kind is Unfollowed and version > e.heard(FollowAccepted)
            )
            yield Check(f"heard {tag_of(kind)}", NO if against else YES, f"event {version}")


def _postgres(e: Evidence) -> Check:
    if e.rows is None:
        return Check("postgres", UNKNOWN, "PostgreSQL does not answer")
    has = "has it" if e.rows.pulled else "does not have it"
    return Check("postgres", YES if e.rows.pulled else NO, f"a feed asked of PostgreSQL {has}")
