"""One history that has everything: each register set twice, and whatever handlers may get wrong."""

from events.accounts import ProfileEdited
from events.posts import PostDeleted, PostPublished, PostRejected, PostSubmitted
from tests.workers.histories import (
    accepted,
    happened,
    registered,
    rendered,
    staged,
    wished,
    withdrawn,
)

ADA, BOB, CYD = (registered(name, at, password_hash="-") for at, name in enumerate("abc", 1))
FIRST, SECOND = (
    happened(PostSubmitted(photos=(staged(),), caption="One"), ADA.actor, 20),
    happened(PostSubmitted(photos=(staged(), staged("b")), alts=("x",)), ADA.actor, 21),
)
THIRD = happened(PostSubmitted(photos=(staged(),)), CYD.actor, 22)
FOURTH = happened(PostSubmitted(photos=(staged(),)), ADA.actor, 23)
AGAIN = wished(BOB.actor, ADA.actor, 34)
FOLLOW = wished(BOB.actor, ADA.actor, 30)
OTHER = wished(BOB.actor, CYD.actor, 31)
HISTORY = [
    ADA,
    BOB,
    CYD,
    happened(ProfileEdited(private=True), CYD.actor, 10),
    happened(ProfileEdited(bio="Before"), CYD.actor, 11),
    happened(ProfileEdited(bio="After"), CYD.actor, 12),
    FIRST,
    SECOND,
    THIRD,
    FOURTH,
    FOLLOW,
    OTHER,
    accepted(OTHER, 32),
    withdrawn(BOB.actor, ADA.actor, 33),
    AGAIN,
    # Two workers announced them in the wrong order.
    accepted(AGAIN, 35),
    accepted(FOLLOW, 36),
    happened(PostPublished(post_id=FIRST.id, photos=(rendered(),)), ADA.actor, 40),
    happened(PostPublished(post_id=SECOND.id, photos=(rendered(), rendered("b"))), ADA.actor, 41),
    happened(PostPublished(post_id=THIRD.id, photos=(rendered(),)), CYD.actor, 42),
    happened(PostPublished(post_id=FIRST.id, photos=(rendered("b"),)), ADA.actor, 43),
    happened(PostRejected(post_id=FIRST.id, code="late", detail="Too late."), ADA.actor, 44),
    happened(PostPublished(post_id=FOURTH.id, photos=(rendered(),)), ADA.actor, 45),
    happened(PostDeleted(post_id=SECOND.id), ADA.actor, 50),
    withdrawn(BOB.actor, CYD.actor, 51),
]
