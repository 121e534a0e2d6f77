"""What only real processes can show: a delivery outlives whoever had it in hand."""

import signal

import pytest

from events.posts import PostSubmitted

pytestmark = pytest.mark.parametrize("telling", ["site"], indirect=True)


@pytest.mark.parametrize("role", ["renditions", "posts", "fanout"])
async def test_what_a_killed_worker_had_in_hand_is_done_by_its_next_life(
    api, settle, site, ada, bob, role
):
    """A post was given to a process that died of SIGKILL: it reaches followers all the same."""
    await api.follow(bob, ada)
    await settle()
    assert await api.feed(bob) == []
    doomed = site.pids(role)
    # Frozen, a process is still given what it had asked for, and has it in hand when it dies.
    site.signal(doomed, signal.SIGSTOP)
    post = await api.publish(ada, api.photo())
    await site.holder(role, PostSubmitted.TOPIC)
    site.signal(doomed, signal.SIGKILL)
    await settle()

    assert await api.feed(bob) == [post]
    assert (await api.get(f"/v1/posts/{post}", bob))["state"] == "published"
    assert not set(site.pids(role)) & set(doomed)


async def test_a_frozen_worker_is_relieved_and_does_no_harm_when_it_comes_back(
    api, settle, site, ada, bob
):
    """Another process of the role takes over after the lease; the first finds it done."""
    await api.follow(bob, ada)
    await settle()
    pids = site.pids("posts")
    site.signal(pids, signal.SIGSTOP)
    post = await api.publish(ada, api.photo())
    frozen = pids[await site.holder("posts", PostSubmitted.TOPIC)]
    other = [pid for pid in pids if pid != frozen]
    site.signal(other, signal.SIGCONT)
    await settle()
    shown = await api.get(f"/v1/posts/{post}", bob)
    assert shown["state"] == "published"

    # The next one is for it alone, behind what it had in hand when it froze.
    site.signal(other, signal.SIGSTOP)
    site.signal([frozen], signal.SIGCONT)
    second = await api.publish(ada, api.photo("red"))
    await settle()
    site.signal(other, signal.SIGCONT)

    assert await api.get(f"/v1/posts/{post}", bob) == shown
    assert await api.feed(bob) == [second, post]
    assert (await api.get(f"/v1/accounts/{ada.username}", bob))["counts"]["posts"] == 2
