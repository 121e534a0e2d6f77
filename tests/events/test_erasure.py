"""Erased in the log: one step after which the account does nothing and its words are nobody's."""

import asyncio

import pytest

from events.accounts import AccountErased, AccountRegistered, PasswordChanged, ProfileEdited
from events.entries import open_entries
from events.graph import FollowAccepted, FollowRequested
from events.idempotency import Idempotency
from events.ids import position_of, shard_of
from events.log import Log, stream_key
from events.posts import PostDeleted, PostPublished, PostSubmitted, StagedPhoto
from runtime.errors import Conflict, Forbidden

PHOTO = StagedPhoto(key="staging/1", sha256="0" * 64, size_bytes=1)
SEALED = PostSubmitted(photos=(PHOTO,), caption="words of hers", alts=("a hill",))
COMMANDS = (
    SEALED,
    PostDeleted(post_id=7),
    FollowRequested(followee_id=7),
    ProfileEdited(private=True),
    PasswordChanged(password_hash="hash"),
)


@pytest.fixture
def other(log_client, settings):
    """Another process, which remembers keys of its own."""
    return Log(log_client, partitions=8, secret=settings.secret.reveal().encode())


@pytest.mark.parametrize("event", COMMANDS, ids=lambda event: type(event).__name__)
async def test_no_command_of_an_erased_account_is_recorded(log, other, ada, event, log_client):
    """Sealed or in clear, also by a process that still remembers the key."""
    await other.append(ProfileEdited(bio="hers"), actor=ada)
    assert other.keyring.remembered(ada)
    await log.append(AccountErased(), actor=ada)
    stream = stream_key(event.TOPIC, shard_of(ada) % 8)
    before = await log_client.xlen(stream)

    for each in (log, other):
        with pytest.raises(Forbidden) as refusal:
            await each.append(event, actor=ada)
        assert refusal.value.code == "account-erased"
    assert await log_client.xlen(stream) == before


async def test_what_was_sealed_reads_as_if_nothing_had_been_said(log, other, ada):
    """For whoever reads the erasure at once, and for a process that starts later."""
    post = await log.append(SEALED, actor=ada)
    assert (await other.event_at(post.address)).event == SEALED
    erasure = await log.append(AccountErased(), actor=ada)

    for each in (log, other):
        assert (await each.event_at(erasure.address)).event == AccountErased()
        assert (await each.event_at(post.address)).event == PostSubmitted(photos=(PHOTO,))
        assert await each.wrapped_key(ada) is None
        assert each.keyring.remembered(ada) is None


async def test_a_page_with_the_erasure_in_it_is_still_read_whole(log, log_client, ada):
    """Whoever fetched the keys before reads what came before; the next page is silent."""
    await log.append(ProfileEdited(bio="hers"), actor=ada)
    await log.append(AccountErased(), actor=ada)
    partition = shard_of(ada) % 8
    page = await log_client.xrange(stream_key("accounts", partition))

    opened = await open_entries(log, "accounts", partition, page)
    assert [type(each.event) for each in opened] == [
        AccountRegistered,
        ProfileEdited,
        AccountErased,
    ]
    assert log.keyring.remembered(ada) is None


async def test_its_name_stays_reserved_and_its_tokens_end(log, ada):
    """Nobody becomes her, and no session of hers outlives it."""
    erasure = await log.append(AccountErased(), actor=ada)

    with pytest.raises(Conflict):
        await log.register(AccountRegistered(username="ada"))
    assert await log.resolve("ada") == ada
    [revocation] = await log.revocations()
    assert (revocation.account_id, revocation.token_id) == (ada, None)
    assert revocation.issued_before_ms == erasure.position.ms
    assert revocation.kept_token_id is None


async def test_it_is_recorded_once_however_often_it_is_sent(log, other, ada):
    """With the same key, one after the other or at once, it is the same event."""
    key = Idempotency(str(ada), "\0erasure", b"")
    sent = [each.append(AccountErased(), actor=ada, idempotency=key) for each in (log, other) * 3]
    first, *rest = await asyncio.gather(*sent)

    assert {each.position for each in rest} == {first.position}
    assert sum(not each.replayed for each in (first, *rest)) == 1
    with pytest.raises(Forbidden):
        await log.append(AccountErased(), actor=ada)


async def test_what_workers_have_to_say_of_its_past_is_recorded(log, register, ada):
    """A post that was on its way is decided, or nobody would know what to sweep."""
    post = await log.append(SEALED, actor=ada)
    wish = await log.append(FollowRequested(followee_id=ada), actor=await register("bob"))
    causes = [await log.event_at(each.address) for each in (post, wish)]
    await log.append(AccountErased(), actor=ada)

    published = PostPublished(post_id=post.id, photos=())
    accepted = FollowAccepted(follower_id=wish.id, wish_version=wish.id)
    assert (await log.announce(published, actor=ada, cause=causes[0])).position > post.position
    assert (await log.announce(accepted, actor=ada, cause=causes[1])).position > wish.position


async def test_an_erased_registration_keeps_the_name_alone(log, ada):
    """It can be folded again at any time."""
    await log.append(AccountErased(), actor=ada)
    at = f"accounts.{shard_of(ada) % 8}.{position_of(ada)}"
    page = await log.client.xrange(stream_key("accounts", shard_of(ada) % 8), count=1)
    [opened] = await open_entries(log, "accounts", shard_of(ada) % 8, page)

    assert (opened.address, opened.actor) == (at, ada)
    assert opened.event == AccountRegistered(username="ada")
