"""The map: which role reacts to which event, and how. The whole system on one screen."""

from events.accounts import AccountErased, AccountRegistered, PasswordChanged, ProfileEdited
from events.delivering import Handler
from events.envelope import Event
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.posts import (
    PostDeleted,
    PostPublished,
    PostRejected,
    PostRerendered,
    PostSubmitted,
)
from events.work import FanoutChunk
from workers.accounts import change_passwords, edit_profiles, erase_accounts, open_accounts
from workers.erasures import sweep_erased
from workers.fanout import backfill, hide_author, plan_fanout
from workers.forgetting import forget_author
from workers.graph import (
    end_follows,
    open_doors,
    record_verdicts,
    record_wishes,
    record_withdrawals,
    write_wishes,
)
from workers.posts import (
    delete_posts,
    erase_posts,
    publish_posts,
    reject_posts,
    renew_photos,
    submit_posts,
)
from workers.pushing import push_chunk
from workers.renditions import render

SUBSCRIPTIONS: dict[str, dict[type[Event], Handler]] = {
    "accounts": {
        AccountRegistered: open_accounts,
        ProfileEdited: edit_profiles,
        PasswordChanged: change_passwords,
        AccountErased: erase_accounts,
    },
    "renditions": {
        PostSubmitted: render,
    },
    "posts": {
        PostSubmitted: submit_posts,
        PostPublished: publish_posts,
        PostRejected: reject_posts,
        PostRerendered: renew_photos,
        PostDeleted: delete_posts,
        AccountErased: erase_posts,
    },
    "graph": {
        FollowRequested: record_wishes,
        FollowAccepted: record_verdicts,
        Unfollowed: record_withdrawals,
        ProfileEdited: open_doors,
        AccountErased: end_follows,
    },
    "fanout": {
        PostPublished: plan_fanout,
        FollowAccepted: backfill,
        Unfollowed: hide_author,
        FanoutChunk: push_chunk,
        AccountErased: forget_author,
    },
    "erasures": {
        AccountErased: sweep_erased,
    },
}

REPLAYED: dict[str, dict[type[Event], Handler]] = {
    "accounts": SUBSCRIPTIONS["accounts"],
    "posts": SUBSCRIPTIONS["posts"],
    "graph": {
        kind: write_wishes if kind is FollowRequested else handler
        for kind, handler in SUBSCRIPTIONS["graph"].items()
        if handler is not open_doors
    },
}
"""The roles whose tables a replay makes again, each to its end before the next begins: a row waits
for its accounts. Without what announces or decides: what was decided stands in the log."""

EFFECTS = frozenset({"renditions", "erasures"})
"""Roles that touch the world outside; every other is a projection, which a replay may run."""

DEPENDS_ON: dict[str, tuple[str, ...]] = {
    "accounts": (),
    "renditions": (),
    "posts": ("accounts",),
    "graph": ("accounts",),
    "fanout": ("accounts", "posts", "graph"),
    "erasures": ("accounts", "renditions", "posts"),
}
"""For whose rows a role's handlers may have to wait. Nobody waits for himself, by whatever way."""


def topics_of(role: str) -> list[str]:
    """The topics a role reads: one consumer group of its name on each partition of them."""
    return sorted({kind.TOPIC for kind in SUBSCRIPTIONS[role]})
