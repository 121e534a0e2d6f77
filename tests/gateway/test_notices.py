import random
from itertools import count

from events.accounts import PasswordChanged, ProfileEdited
from events.envelope import Delivery
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.ids import Position
from events.notices import Kept
from events.posts import PostDeleted
from gateway.keys import NOTICES
from gateway.notices import Edge, Notices
from gateway.resources import forget_once
from tests.gateway.serving import until

ADA, BOB = 1 << 10, 2 << 10


def heard(event, actor=ADA, ms=1_780_000_000_000, partition=0):
    return Delivery(
        event=event,
        topic="notices",
        partition=partition,
        position=Position(ms, 0),
        actor=actor,
        time=0,
    )


def since(ms, *alone):
    return Kept(Position(ms, 0), frozenset(Position(1_780_000_000_000 + each, 0) for each in alone))


def test_what_was_said_last_counts_in_any_order():
    """The highest position wins, whatever arrives first and however often."""
    ms = count(1_780_000_000_000)
    history = [
        heard(ProfileEdited(private=True), ms=next(ms)),
        heard(ProfileEdited(bio="x"), ms=next(ms)),
        heard(ProfileEdited(private=False), ms=next(ms)),
        heard(PasswordChanged(password_hash="old"), ms=next(ms)),
        heard(PasswordChanged(password_hash="new"), ms=next(ms)),
        heard(FollowRequested(followee_id=BOB), ms=next(ms)),
        heard(Unfollowed(followee_id=BOB), ms=next(ms)),
        heard(PostDeleted(post_id=7), ms=next(ms)),
    ]
    for seed in range(20):
        notices = Notices()
        for delivery in random.Random(seed).sample(history * 2, len(history) * 2):
            notices.hear(delivery)

        assert notices.privacy(ADA) == (False, history[2].id)
        assert notices.profile_version(ADA) == history[2].id
        assert notices.password(ADA) == ("new", history[4].id)
        assert notices.edge(ADA, BOB) == Edge(history[5].id, history[6].id, 0)
        assert notices.is_deleted(7)
        assert not notices.is_deleted(8)


def test_both_sides_of_an_edge_are_one():
    """The verdict comes from the followee's partition, and names the wish."""
    notices = Notices()
    notices.hear(heard(FollowAccepted(follower_id=ADA, wish_version=5), actor=BOB, partition=1))

    assert notices.edge(ADA, BOB) == Edge(0, 0, 5)
    assert notices.edge(BOB, ADA) is None


def test_what_the_log_no_longer_keeps_is_forgotten():
    """And nothing else: one partition's trimming says nothing of another's."""
    notices = Notices()
    notices.hear(heard(Unfollowed(followee_id=BOB), ms=1_780_000_000_100))
    notices.hear(heard(FollowAccepted(follower_id=ADA, wish_version=5), BOB, 1_780_000_000_050, 1))
    notices.hear(heard(PostDeleted(post_id=7), ms=1_780_000_000_000))
    notices.hear(heard(PostDeleted(post_id=8), ms=1_780_000_000_300))
    notices.forget_all_but({1: since(1_780_000_000_200)})
    assert notices.edge(ADA, BOB) is not None
    assert notices.is_deleted(7)

    notices.forget_all_but({0: since(1_780_000_000_200)})
    assert notices.edge(ADA, BOB) is None
    assert not notices.is_deleted(7)
    assert notices.is_deleted(8)
    notices.forget_all_but({0: since(1_790_000_000_000), 1: since(1_790_000_000_000)})
    assert not notices._counts


def test_what_the_log_keeps_alone_is_remembered_alone():
    """A deletion that no row will ever have: heard long ago, it hides for ever."""
    notices = Notices()
    for n in range(5):
        notices.hear(heard(PostDeleted(post_id=n), ms=1_780_000_000_000 + n))
    for alone in ((1, 3), (1, 3), (1,)):
        notices.forget_all_but({0: since(1_780_000_000_004, *alone)})
        assert [n for n in range(5) if notices.is_deleted(n)] == [*alone, 4]


def test_a_listener_hears_after_the_notice_counts():
    notices, seen = Notices(), []
    notices.subscribe(lambda delivery: seen.append(notices.is_deleted(delivery.event.post_id)))
    notices.hear(heard(PostDeleted(post_id=7)))

    assert seen == [True]


async def test_trimmed_notices_are_forgotten_by_gateways(gateway, log_client):
    """A gateway's memory follows the stream, an emptied one too."""
    ada = await gateway.sign_up("ada")
    await gateway.ask("PATCH", "/v1/me", ada, json={"private": True})
    await until(lambda: gateway.app[NOTICES].privacy(ada.id))
    await forget_once(gateway.app)
    assert gateway.app[NOTICES].privacy(ada.id)
    for key in await log_client.keys("notices:*"):
        await log_client.xtrim(key, maxlen=0, approximate=False)
    await forget_once(gateway.app)

    assert gateway.app[NOTICES].privacy(ada.id) is None
