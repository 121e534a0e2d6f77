"""What an erasure leaves in rows: the name, the digests of photos, and no copy of the key."""

import json

import pytest

from events.accounts import AccountErased, AccountRegistered, PasswordChanged, ProfileEdited
from events.graph import FollowRequested
from events.posts import Place, PostPublished, PostRejected, PostSubmitted
from stores import profiles
from tests.workers.histories import (
    accepted,
    deliver,
    dump,
    happened,
    new_site,
    registered,
    rendered,
    staged,
    wished,
)
from workers.accounts import erase_accounts, open_accounts

ADA = registered("ada", 1, display_name="Ada", password_hash="hash")
BOB = registered("bob", 2)
EDITED = happened(ProfileEdited(bio="Hers", private=True), ADA.actor, 3)
POST = happened(
    PostSubmitted(
        photos=(staged(), staged("b")),
        caption="Words",
        alts=("More",),
        place=Place(latitude=1.0, longitude=2.0),
    ),
    ADA.actor,
    4,
)
PUBLISHED = happened(
    PostPublished(post_id=POST.id, photos=(rendered("b"), rendered(), rendered())), ADA.actor, 5
)
ERASED = happened(AccountErased(), ADA.actor, 99)


@pytest.fixture
def site(database, log_client, cache_client):
    return new_site(database, log_client, cache_client)


async def test_only_the_name_and_the_digests_stay(site):
    """Everything said is empty; what was private stays private, counters are at nothing."""
    wish = wished(BOB.actor, ADA.actor, 10)
    await deliver(site, ADA, BOB)
    await deliver(site, EDITED, POST, PUBLISHED, wish, accepted(wish, 11))
    assert not await deliver(site, ERASED)

    rows = await dump(site)
    ada = next(row for row in rows["accounts"] if row["id"] == ADA.actor)
    assert ada["username"] == "ada"
    assert (ada["display_name"], ada["bio"], ada["password_hash"]) == ("", "", "")
    assert (ada["private"], ada["erased_version"]) == (True, ERASED.id)
    assert (ada["posts"], ada["followers"], ada["following"]) == (0, 0, 0)
    [post] = rows["posts"]
    assert (post["state"], post["caption"], post["alts"]) == (40, "", [])
    assert (post["latitude"], post["longitude"]) == (None, None)
    assert json.loads(post["photos"]) == [{"sha256": "a" * 64}, {"sha256": "b" * 64}]
    assert rows["photo_references"] == []
    assert not any(row["holds"] for side in ("following", "followers") for row in rows[side])


async def test_a_rejected_post_keeps_no_reason(site):
    """Nor does one whose rejection is folded after the erasure."""
    rejected = happened(PostRejected(post_id=POST.id, code="x", detail="Of hers."), ADA.actor, 5)
    await deliver(site, ADA)
    for order in ((POST, rejected, ERASED), (POST, ERASED, rejected)):
        for each in order:
            await deliver(site, each)
        [post] = (await dump(site))["posts"]
        assert (post["state"], post["problem_code"], post["problem_detail"]) == (40, None, None)


async def test_an_erasure_waits_for_its_account(site):
    """For no other role: each leaves the tombstone itself."""
    assert len(await deliver(site, ERASED)) == 3
    await deliver(site, ADA)
    assert not await deliver(site, ERASED)


async def test_a_wish_to_follow_an_erased_account_ends_with_it(site):
    """Whenever it was recorded: no position is compared across partitions."""
    await deliver(site, ADA, BOB)
    await deliver(site, ERASED)
    late = happened(FollowRequested(followee_id=ADA.actor), BOB.actor, 200)
    assert not await deliver(site, late)

    [row] = (await dump(site))["following"]
    assert (row["wish"], row["accepted"], row["holds"]) == (True, False, False)
    assert await site.log.client.keys("graph:*") == [], "nobody accepts it"


class Vault:
    """An account in a real log, and whether a copy of its key stands in the vault."""

    def __init__(self, site):
        self.site = site

    async def open(self):
        appended = await self.site.log.register(AccountRegistered(username="eve"))
        self.id = appended.id
        self.registration = await self.site.log.event_at(appended.address)

    async def erase(self):
        """In the log, and by the role: whichever worker is given it."""
        appended = await self.site.log.append(AccountErased(), actor=self.id)
        return await erase_accounts(self.site, [await self.site.log.event_at(appended.address)])

    async def copies(self):
        return await self.site.database.fetchval("SELECT count(*) FROM vault.account_keys")


@pytest.fixture
async def vault(site):
    made = Vault(site)
    await made.open()
    return made


async def test_the_copy_of_the_key_goes_and_never_comes_back(site, vault):
    """However often the registration is delivered again."""
    await open_accounts(site, [vault.registration])
    assert await vault.copies() == 1
    assert not await vault.erase()
    assert await vault.copies() == 0

    await open_accounts(site, [vault.registration])
    assert await vault.copies() == 0


@pytest.mark.parametrize("step", ["add_accounts", "add_account_keys"])
async def test_a_key_that_is_destroyed_while_it_is_copied_stays_nowhere(
    site, vault, monkeypatch, step
):
    """The worker has it in hand when the account is erased and folded by another."""
    await open_accounts(site, [vault.registration])
    taken = getattr(profiles, step)

    async def erased_meanwhile(db, *arguments):
        assert not await vault.erase()
        return await taken(db, *arguments)

    monkeypatch.setattr(profiles, step, erased_meanwhile)
    await open_accounts(site, [vault.registration])

    assert await vault.copies() == 0


async def test_who_changed_a_password_last_does_not_matter_any_more(site):
    """A change that is folded after the erasure leaves no hash."""
    changed = happened(PasswordChanged(password_hash="later"), ADA.actor, 50)
    await deliver(site, ADA)
    await deliver(site, ERASED)
    await deliver(site, changed, EDITED)

    [row] = (await dump(site))["accounts"]
    assert (row["password_hash"], row["bio"]) == ("", "")
