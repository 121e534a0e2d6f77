"""What is decided of posts stands, and is found again by author and by follower."""

import asyncio

from stores import publications, pulled_posts
from tests.workers.fanning import (
    ADA,
    BOB,
    EVE,
    NOW,
    commit_follow,
    commit_post,
    commit_withdrawal,
    sign_up,
)


async def posts_of(database, author, count):
    return [
        (await commit_post(database, author, ms=ms)).event.post_id for ms in range(1, count + 1)
    ]


async def test_the_first_decision_stands(database):
    """Of planners at the same time one decides, and all are told the same; a repeat as well."""
    await sign_up(database, [ADA])
    ids = await posts_of(database, ADA, 3)

    told = await asyncio.gather(
        *(pulled_posts.decide(database, ids, pulled=bool(number % 2)) for number in range(8))
    )

    assert all(each == told[0] for each in told)
    assert told[0].keys() == set(ids)
    for pulled in (True, False):
        assert await pulled_posts.decide(database, ids, pulled=pulled) == told[0]
    assert await pulled_posts.decide(database, [7], pulled=True) == {}


async def test_what_is_pulled_is_found_by_its_author(database):
    """Newest first, without what was pushed, deleted, or is undecided."""
    await sign_up(database, [ADA, EVE])
    pulled, pushed, gone, undecided, last = await posts_of(database, ADA, 5)
    await pulled_posts.decide(database, [pulled, gone, last], pulled=True)
    await pulled_posts.decide(database, [pushed], pulled=False)
    await publications.write_deletions(database, [gone])
    await posts_of(database, EVE, 1)

    found = await pulled_posts.pulled_of_author(database, ADA, 9)
    assert found == [(NOW + 5, last), (NOW + 1, pulled)]
    assert await pulled_posts.pulled_of_author(database, ADA, 1) == found[:1]
    assert await pulled_posts.authors_who_pull(database) == [ADA]
    assert await pulled_posts.all_pulled(database) == {pulled, last}
    assert await pulled_posts.last_decided(database, ADA, [last]) == pushed
    assert await pulled_posts.last_decided(database, EVE, []) is None
    assert undecided not in {post_id for _, post_id in found}


async def test_followed_among_those_asked_for(database):
    await sign_up(database, [ADA, BOB, EVE])
    await commit_follow(database, BOB, ADA)
    await commit_follow(database, BOB, EVE)
    assert sorted(await pulled_posts.followed_among(database, BOB, [ADA, EVE])) == [ADA, EVE]
    assert await pulled_posts.followed_among(database, BOB, [EVE]) == [EVE]
    await commit_withdrawal(database, BOB, EVE)
    assert await pulled_posts.followed_among(database, BOB, [ADA, EVE]) == [ADA]
    assert await pulled_posts.followed_among(database, BOB, []) == []
