"""Histories drawn by hypothesis: what three people could have done, and ways to deliver it."""

from hypothesis import strategies as st
from msgspec import UNSET

from events.accounts import AccountErased, PasswordChanged, ProfileEdited
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.posts import (
    Place,
    PostDeleted,
    PostPublished,
    PostRejected,
    PostRerendered,
    PostSubmitted,
)
from tests.workers.histories import happened, registered, rendered, staged

NAMES = ("ada", "bob", "cyd")
STEPS = (
    "edit",
    "password",
    "submit",
    "publish",
    "reject",
    "rerender",
    "delete",
    "wish",
    "verdict",
    "withdraw",
    "erase",
)
ANNOUNCED = ("publish", "reject", "rerender", "verdict")
"""What workers say of what an account did before it was erased; it commands nothing more."""
# What most often happens in one go; without it hardly a history would have a feed, or a register
# that was set twice.
TOGETHER = {
    "post": ("submit", "publish"),
    "renewal": ("submit", "publish", "rerender"),
    "follow": ("wish", "verdict"),
    "edits": ("edit", "edit again", "edit again"),
    "passwords": ("password", "password again"),
}
REGISTERS = ("display_name", "bio", "private")


def happening(draw, kind, accounts, history, moment):
    """One event that could follow the history, or None when there is nothing for it to be about."""
    actor, other = draw(st.permutations([each.actor for each in accounts]))[:2]
    about = {"publish": PostSubmitted, "reject": PostSubmitted, "delete": PostSubmitted}
    about |= {
        "rerender": PostPublished,
        "edit again": ProfileEdited,
        "password again": PasswordChanged,
    }
    about["verdict"] = FollowRequested
    subjects = [each for each in history if isinstance(each.event, about.get(kind, object))]
    subject = draw(st.sampled_from(subjects)) if subjects else None
    if kind in about:
        if subject is None:
            return None
        forged = kind == "delete" and draw(st.integers(0, 2)) == 0
        actor = actor if forged else getattr(subject.event, "followee_id", subject.actor)
    gone = {each.actor for each in history if isinstance(each.event, AccountErased)}
    if actor in gone and kind not in ANNOUNCED:
        return None
    return happened(event_of(draw, kind, subject, other, moment), actor, moment)


def event_of(draw, kind, subject, other, moment):  # noqa: C901 - one case a kind
    match kind:
        case "edit":
            named = draw(st.sets(st.sampled_from(REGISTERS)))
            event = edited(named, moment, private=draw(st.booleans()))
        case "edit again":
            named = [name for name in REGISTERS if getattr(subject.event, name) is not UNSET]
            event = edited(named, moment, private=not subject.event.private)
        case "password" | "password again":
            event = PasswordChanged(password_hash=f"hash {moment}")
        case "submit":
            event = PostSubmitted(
                photos=(staged(), staged("b")),
                caption=draw(st.sampled_from(["", "a 'caption' \\ {,} ☀"])),
                alts=draw(st.sampled_from([(), ('say "hi", {x}',), ("left", "right")])),
                place=draw(st.sampled_from([None, Place(latitude=52.5, longitude=13.4)])),
            )
        case "publish":
            photo = rendered(draw(st.sampled_from("ab")))
            event = PostPublished(post_id=subject.id, photos=(photo,))
        case "rerender":
            photo = rendered(draw(st.sampled_from("ab")), "r2")
            event = PostRerendered(post_id=subject.event.post_id, photos=(photo,))
        case "reject":
            event = PostRejected(post_id=subject.id, code=f"reason-{moment}", detail="Broken.")
        case "delete":
            event = PostDeleted(post_id=subject.id)
        case "wish":
            event = FollowRequested(followee_id=other)
        case "withdraw":
            event = Unfollowed(followee_id=other)
        case "erase":
            event = AccountErased()
        case "verdict":
            event = FollowAccepted(follower_id=subject.actor, wish_version=subject.id)
    return event


def edited(named, moment, *, private):
    """These registers are set, the texts to what nothing else sets them to."""
    told = {"display_name": f"Name {moment}", "bio": f"About {moment}", "private": private}
    return ProfileEdited(**{name: told[name] for name in named})


@st.composite
def histories(draw, kinds=(*STEPS, *TOGETHER, *TOGETHER, "withdraw", "withdraw"), least=0):
    """What three people did, in the order of the log; everybody is there from the start."""
    accounts = [registered(name, at, password_hash="first") for at, name in enumerate(NAMES, 1)]
    history = list(accounts)
    moment = 10
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=least, max_size=24)):
        for step in TOGETHER.get(kind, (kind,)):
            subjects = history[-1:] if step != TOGETHER.get(kind, (step,))[0] else history
            if event := happening(draw, step, accounts, subjects, moment):
                history.append(event)
            moment += 1
    return history


@st.composite
def orders(draw, history):
    """The same history shuffled, some of it twice, in batches of any size."""
    twice = [each for each in history if draw(st.booleans())]
    left = draw(st.permutations([*history, *twice]))
    batches = []
    while left:
        size = draw(st.integers(1, len(left)))
        batches.append(left[:size])
        left = left[size:]
    return batches
