"""`python -m events explain feed`: each way to be in a feed or not, and its sentence."""

import json

import pytest

from events.accounts import ProfileEdited
from events.posts import PostDeleted
from stores.feed_keys import names_of, window_key
from tests.workers.crew import PARTITIONS, opened_crew


@pytest.fixture
async def crew(settings, clean_site):
    """Bob follows Ada and has read his feed, which is empty; Eve is there too."""
    async with opened_crew(settings) as crew:
        await crew.sign_up("ada", "bob", "eve")
        await crew.follow("bob", "ada")
        await crew.work()
        await crew.open_feed("bob")
        yield crew


@pytest.fixture
def why(ask):
    """The sentence, whether the post is shown, the exit status, the checks' verdicts."""

    async def why(post, viewer="bob", **changes):
        status, lines, _ = await ask(
            "explain",
            "feed",
            "--viewer",
            viewer,
            "--post",
            post,
            "--json",
            **({"partitions": PARTITIONS} | changes),
        )
        *checks, last = [json.loads(line) for line in lines]
        verdicts = {each["check"]: each["verdict"] for each in checks}
        return last["conclusion"], last["shown"], status, verdicts

    return why


@pytest.fixture
async def window(crew, cache_client, log_client):
    """Bob's window, to be hurt."""
    run = (await cache_client.info("server"))["run_id"]
    return window_key(names_of(run[:8], 0), crew.ids["bob"])


async def test_a_post_in_the_window(crew, why):
    """Pushed and not hidden: yes; and every check agrees."""
    post = await crew.publish("ada")
    await crew.work()
    sentence, shown, status, verdicts = await why(post)

    assert sentence == "Yes: it stands in the window, and nothing hides it."
    assert (shown, status, set(verdicts.values())) == (True, 0, {"yes"})
    assert verdicts.keys() >= {"state", "follow", "publication", "window", "hidden", "postgres"}


async def test_a_post_on_its_way(crew, why):
    """Accepted, folded, not pushed: who has still to do something is named."""
    submitted = await crew.submit("ada")
    assert (await why(submitted.id))[0].startswith("Not yet: it is accepted, and posts is waiting")
    await crew.work()
    sentence, shown, _, verdicts = await why(submitted.id)
    assert sentence.startswith(
        "Not yet: its photos are being processed: renditions is waiting, 0 before"
    )
    assert (shown, verdicts["state"]) == (False, "no")

    post = await crew.publish("ada")
    await crew.work("posts")
    sentence, shown, status, verdicts = await why(post)
    assert sentence.startswith("Not yet: fanout is waiting")
    assert (shown, status) == (False, 0)
    assert (verdicts["publication"], verdicts["window"], verdicts["postgres"]) == (
        "no",
        "no",
        "yes",
    )


async def test_a_hole_is_a_fault(crew, why, window, cache_client):
    """Above the floor, fan-out done, and not there: exit status 1, whoever took it out."""
    post = await crew.publish("ada")
    await crew.work()
    await cache_client.zrem(window, post)
    sentence, shown, status, verdicts = await why(post)

    assert sentence.startswith("A HOLE: published 2")
    assert (shown, status, verdicts["window"]) == (False, 1, "no")


async def test_what_lies_below_the_floor_or_has_no_window_is_up_to_postgres(
    crew, why, window, cache_client
):
    """Absent is never empty, and a floor is no end."""
    post = await crew.publish("ada")
    await crew.work()
    await cache_client.zrem(window, post)
    await cache_client.zadd(window, {"floor": 2**42})
    said = "it is up to PostgreSQL, and it has the post."
    assert (await why(post))[0] == f"Yes: it lies below the window's floor, so {said}"
    await cache_client.delete(window)
    sentence, shown, status, verdicts = await why(post)
    assert sentence == f"Yes: there is no window now, so {said}"
    assert (shown, status, verdicts["window"]) == (True, 0, "?")


async def test_looking_changes_nothing(crew, why, window, cache_client):
    """A look is no read: the window's life is not prolonged."""
    await cache_client.expire(window, 1_000)
    await why(await crew.publish("ada"))
    assert 0 < await cache_client.ttl(window) <= 1_000


async def test_who_does_not_follow(crew, why):
    """Never asked, waits for a private account, left; and one's own post."""
    post = await crew.publish("ada")
    await crew.work()
    assert (await why(post, "eve"))[0] == "No: eve does not follow ada, and never asked to."
    assert (await why(post, "ada"))[0].startswith("No: it is ada's own")

    await crew.log.append(ProfileEdited(private=True), actor=crew.ids["ada"])
    await crew.work()
    wish = await crew.follow("eve", "ada")
    assert "just asked to follow ada" in (await why(post, "eve"))[0]
    await crew.work()
    sentence, shown, _, verdicts = await why(post, "eve")
    assert sentence == f"No: eve asked to follow ada (event {wish.id}), and ada has not decided."
    assert (shown, verdicts["privacy"], verdicts["follow"]) == (False, "no", "no")
    assert (await why(post))[3]["privacy"] == "yes"

    left = await crew.unfollow("bob", "ada")
    sentence, shown, _, verdicts = await why(post)
    assert sentence == f"No: bob just left ada (event {left.id})."
    assert (shown, verdicts["window"], verdicts["heard follow.withdrawn"]) == (False, "yes", "no")
    await crew.work()
    assert (await why(post))[0] == f"No: bob follows ada no more (event {left.id})."
    assert (await why(post))[3]["hidden"] == "no"


async def test_what_was_rejected_or_deleted(crew, why):
    """With the code; a deletion counts from the notice on, before any row says so."""
    submitted = await crew.submit("ada")
    await crew.reject(submitted)
    await crew.work()
    said = "No: it was rejected, undecodable (It is damaged.)."
    assert (await why(submitted.id))[:3] == (said, False, 0)

    post = await crew.publish("ada")
    await crew.work()
    deleted = await crew.log.append(PostDeleted(post_id=post), actor=crew.ids["ada"])
    assert (await why(post))[0] == f"No: it was just deleted (event {deleted.id})."
    await crew.work()
    assert (await why(post))[0] == "No: its author deleted it."


async def test_ids_of_nothing(crew, why, ask):
    """An account's id, an id of nothing, a name nobody has."""
    assert (await why(crew.ids["ada"]))[0].startswith("There is no such post")
    wish = await crew.follow("eve", "ada")
    assert (await why(wish.id))[0].startswith("There is no such post")
    status, lines, aside = await ask("explain", "feed", "--viewer", "nobody", "--post", 5)
    assert (status, lines, aside) == (1, [], "Nobody here is called 'nobody'.\n")
    status, lines, aside = await ask("explain", "feed", "--viewer", wish.id, "--post", 5)
    assert (status, lines, aside) == (1, [], f"There is no account {wish.id}.\n")


async def test_engines_that_are_away_are_said_to_be(crew, why):
    """What can be told without them is told; what cannot is not guessed."""
    post = await crew.publish("ada")
    await crew.work()
    nowhere = "postgresql://127.0.0.1:1/none"
    sentence, shown, _, verdicts = await why(post, database_reader_url=nowhere)
    assert (shown, verdicts["postgres"], verdicts["window"]) == (True, "?", "yes")
    sentence, shown, _, verdicts = await why(post, cache_url="redis://127.0.0.1:1")
    assert sentence.startswith("Yes: the cache does not answer, so it is up to PostgreSQL")
    both = {"database_reader_url": nowhere, "cache_url": "redis://127.0.0.1:1"}
    sentence, shown, status, _ = await why(post, **both)
    assert sentence.startswith("Nobody can tell: the cache does not answer")
    assert (shown, status) == (None, 0)
