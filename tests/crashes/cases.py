"""Every handler of the map with the points it does not pass, and why it does not.

What stands here is held against an undisturbed run: it can be wrong in neither direction.
"""

from typing import NamedTuple

from events.catalogue import tag_of
from tests.crashes import points
from workers.subscriptions import SUBSCRIPTIONS

APPENDS = (points.BEFORE_APPEND, points.AFTER_APPEND)
COMMITS = (points.BEFORE_COMMIT, points.AFTER_COMMIT)
STORES = (points.MID_BLOBS, points.AFTER_BLOBS)
PUSHES = (points.MID_PUSH,)
SETTLES = (points.CLAIMED, points.BEFORE_ACK, points.AFTER_ACK)
"""What every delivery passes, whatever its handler does."""
TROUBLES = (
    points.DRAINING,
    points.BEFORE_BURY,
    points.AFTER_BURY,
    points.RENEWING,
    points.RECLAIMING,
    points.BEGUN,
)
"""What any delivery may pass, when something is wrong."""

FOLDS = {
    APPENDS: "it announces nothing",
    STORES: "it has no business with objects",
    PUSHES: "windows are fan-out's",
}
DECIDES = {each: FOLDS[each] for each in (STORES, PUSHES)}
SHOWS = {
    APPENDS: "it announces nothing",
    COMMITS: "it only reads rows",
    STORES: "it has no business with objects",
}

LACKS = {
    ("accounts", "account.registered"): FOLDS,
    ("accounts", "profile.edited"): FOLDS,
    ("accounts", "password.changed"): FOLDS,
    ("accounts", "account.erased"): FOLDS,
    ("renditions", "post.submitted"): {
        COMMITS: "it never opens Postgres",
        PUSHES: "windows are fan-out's",
    },
    ("posts", "post.submitted"): FOLDS,
    ("posts", "post.published"): FOLDS,
    ("posts", "post.rejected"): FOLDS,
    ("posts", "post.rerendered"): FOLDS,
    ("posts", "post.deleted"): FOLDS,
    ("posts", "account.erased"): FOLDS,
    ("graph", "follow.requested"): DECIDES,
    ("graph", "follow.accepted"): FOLDS,
    ("graph", "follow.withdrawn"): FOLDS,
    ("graph", "profile.edited"): DECIDES | {COMMITS: "it only reads rows, then announces"},
    ("graph", "account.erased"): FOLDS,
    ("fanout", "post.published"): {STORES: SHOWS[STORES]},
    ("fanout", "follow.accepted"): SHOWS,
    ("fanout", "follow.withdrawn"): SHOWS,
    ("fanout", "work.fanout_chunk"): SHOWS,
    ("fanout", "account.erased"): SHOWS,
    ("erasures", "account.erased"): FOLDS
    | {STORES: "it deletes", COMMITS: "each of its statements stands alone"},
}

# Everybody else's next life has the same name, and finds at once what it left pending.
INHERITED = {
    points.CLAIMED,
    points.AFTER_APPEND,
    points.BEFORE_COMMIT,
    points.MID_PUSH,
    points.AFTER_ACK,
    points.RECLAIMING,
}


class Case(NamedTuple):
    """One death: of which role, in which handler's hands, where."""

    role: str
    tag: str
    point: str

    def __str__(self):
        return f"{self.role} {self.tag} {self.point}"


def handlers():
    return {(role, tag_of(kind)) for role, row in SUBSCRIPTIONS.items() for kind in row}


def passed_by(role, tag):
    """The points that a handler passes when nothing is wrong."""
    missing = {point for group in LACKS.get((role, tag), {}) for point in group}
    everything = (*SETTLES, *APPENDS, *COMMITS, *STORES, *PUSHES)
    return {point for point in everything if point not in missing}


def all_cases():
    return [
        Case(role, tag, point)
        for role, tag in sorted(handlers())
        for point in (*sorted(passed_by(role, tag)), *TROUBLES)
    ]
