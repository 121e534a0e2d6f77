"""Where a command is: never further than every later read would show."""

import pytest

from events import status
from events.accounts import ProfileEdited
from events.claims import ensure_group
from events.graph import FollowAccepted, FollowRequested
from events.log import stream_key
from events.posts import PostPublished, PostRejected, PostSubmitted, StagedPhoto
from events.status import status_of

PHOTO = StagedPhoto(key="staging/1", sha256="ab", size_bytes=1)


@pytest.fixture
def give(log_client):
    """Create groups on a stream and hand them everything in it."""

    async def give_all(stream, *groups):
        for group in groups:
            await ensure_group(log_client, stream, group)
            await log_client.xreadgroup(group, "one", {stream: ">"})

    return give_all


async def test_a_worker_that_goes_on_meanwhile_is_not_missed(
    log, ada, log_client, give, monkeypatch
):
    """What is announced between two questions belongs to the answer."""
    post = await log.append(PostSubmitted(photos=(PHOTO,)), actor=ada)
    stream = stream_key("posts", post.address.partition)
    await give(stream, "posts", "renditions")
    cause = await log.event_at(post.address)
    ask = status.announcements_of

    async def then_the_worker_goes_on(log, command):
        found = await ask(log, command)
        await log.announce(PostPublished(post_id=post.id, photos=()), actor=ada, cause=cause)
        for group in ("posts", "renditions"):
            await log_client.xack(stream, group, str(post.position))
        return found

    monkeypatch.setattr(status, "announcements_of", then_the_worker_goes_on)
    assert (await status_of(log, post.address)).state == "accepted"


async def test_a_follow_is_applied_once_its_acceptance_is(log, ada, register, log_client, give):
    """The wish alone changes nothing that a read would show."""
    bob = await register("bob")
    wish = await log.append(FollowRequested(followee_id=ada), actor=bob)
    stream = stream_key("graph", wish.address.partition)
    await give(stream, "graph")
    cause = await log.event_at(wish.address)
    event = FollowAccepted(follower_id=bob, wish_version=wish.id)
    accepted = await log.announce(event, actor=ada, cause=cause, part=str(wish.id))
    await log_client.xack(stream, "graph", str(wish.position))
    assert (await status_of(log, wish.address)).state == "accepted"

    other = stream_key("graph", accepted.address.partition)
    await give(other, "graph")
    await log_client.xack(other, "graph", str(accepted.position))
    assert (await status_of(log, wish.address)).state == "applied"


async def test_a_rejection_is_a_refusal_with_its_code(log, ada, log_client, give):
    """Once the rejection itself is folded."""
    post = await log.append(PostSubmitted(photos=(PHOTO,)), actor=ada)
    event = PostRejected(post_id=post.id, code="undecodable", detail="It is damaged.")
    cause = await log.event_at(post.address)
    rejected = await log.announce(event, actor=ada, cause=cause)
    stream = stream_key("posts", post.address.partition)
    await give(stream, "posts")
    assert (await status_of(log, post.address)).state == "accepted"

    await log_client.xack(stream, "posts", str(post.position), str(rejected.position))
    found = await status_of(log, post.address)
    assert (found.state, found.code) == ("refused", "undecodable")


async def test_nobody_waits_for_what_no_read_shows(log, ada, log_client, give):
    """With object storage away `erasures` reads nothing; an edited profile is shown anyway."""
    edited = await log.append(ProfileEdited(bio="Hi"), actor=ada)
    stream = stream_key("accounts", edited.address.partition)
    await give(stream, "accounts")
    await ensure_group(log_client, stream, "erasures")
    assert (await status_of(log, edited.address)).roles == {"accounts": "waiting"}

    await log_client.xack(stream, "accounts", str(edited.position))
    assert (await status_of(log, edited.address)).state == "applied"
