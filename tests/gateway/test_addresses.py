import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.addresses import DAY_SECONDS, PRIVATE_SECONDS, Addresses
from runtime.errors import Forbidden, HeliographError, NotFound
from runtime.settings import Secret, Settings

NOON = 1_800_000_000 // DAY_SECONDS * DAY_SECONDS + DAY_SECONDS // 2
KEYS = Addresses(blob_key=b"b" * 32, mac_key=b"m" * 32)
OTHER_SITE = Addresses(blob_key=b"c" * 32, mac_key=b"n" * 32)
BLOB = KEYS.blob("ab" * 32, "1")


def address(*, private=False, now=NOON, keys=KEYS):
    expires = keys.expiry(private=private, now=now)
    return keys.photo_url(
        77, keys.blob("ab" * 32, "1"), 640, "webp", private=private, expires=expires
    )


def verify(url, now=NOON, keys=KEYS):
    path, _, query = url.removeprefix("/media/").partition("?")
    fields = dict(pair.split("=") for pair in query.split("&"))
    return keys.verify(path, fields["e"], fields["s"], now=now)


@pytest.mark.parametrize("private", [False, True])
def test_an_address_we_gave_names_its_photo(private):
    """Whatever was signed comes back whole, with whom it was made for."""
    named = verify(address(private=private))

    assert (named.post_id, named.blob, named.width, named.extension) == (77, BLOB, 640, "webp")
    assert named.audience == ("private" if private else "public")


def test_the_original_is_not_in_the_path():
    """Two sites name one photo differently, and neither shows its digest."""
    assert KEYS.blob("ab" * 32, "1") != OTHER_SITE.blob("ab" * 32, "1")
    assert KEYS.blob("ab" * 32, "1") != KEYS.blob("ab" * 32, "2")
    assert "ab" * 8 not in address()


def test_public_addresses_are_equal_all_day_and_end_with_it():
    """Every viewer of a day shares one address; it never outlives the day."""
    midnight = NOON - DAY_SECONDS // 2

    assert address(now=midnight) == address(now=NOON) == address(now=midnight + 85_000)
    assert verify(address(now=midnight)).expires == midnight + DAY_SECONDS


def test_an_address_given_late_in_the_evening_is_the_next_days():
    """Nobody gets an address that ends while the page still loads."""
    midnight = NOON + DAY_SECONDS // 2

    assert address(now=midnight - 601) != address(now=midnight - 600)
    assert address(now=midnight - 600) == address(now=midnight + 5)


@given(st.integers(min_value=NOON, max_value=NOON + 3 * DAY_SECONDS))
def test_a_private_address_lives_at_most_ten_minutes(now):
    """And never less than half of that; viewers of one moment share it."""
    lives = KEYS.expiry(private=True, now=now) - now

    assert PRIVATE_SECONDS // 2 <= lives <= PRIVATE_SECONDS


@pytest.mark.parametrize("private", [False, True])
def test_an_address_ends(private):
    """At its second of expiry an address is worth nothing."""
    url = address(private=private)
    expires = verify(url).expires

    assert verify(url, now=expires - 1)
    with pytest.raises(Forbidden, match="expired-address"):
        verify(url, now=expires)


def test_nothing_of_an_address_can_be_changed():
    """Each character of path, expiry and signature is covered; another site's key opens nothing."""
    url = address()
    for at in range(len("/media/"), len(url)):
        if url[at] in "?&=" or url[at - 1 : at + 2] in ("?e=", "&s="):
            continue
        changed = url[:at] + ("1" if url[at] != "1" else "2") + url[at + 1 :]
        with pytest.raises((Forbidden, NotFound)):
            verify(changed)
    with pytest.raises(Forbidden, match="bad-signature"):
        verify(address(keys=OTHER_SITE))


@given(st.text(), st.text(), st.text())
def test_any_other_text_is_refused(path, expires, mac):
    """Whatever somebody writes, the answer is a refusal and never an error of ours."""
    for each in (path, f"77/{BLOB}/640.webp"):
        with pytest.raises(HeliographError):
            KEYS.verify(each, expires, mac, now=NOON)


def test_a_sites_keys_come_from_its_secret_alone():
    """Gateways with one secret sign alike; with another, not."""
    urls = "redis://h", "redis://h", "postgresql://h", "postgresql://h", "http://k:s@h:1/b"
    names = "log_url", "cache_url", "database_url", "database_reader_url", "objects_url"
    one = Settings(**dict(zip(names, urls, strict=True)), secret=Secret("s" * 32))
    other = msgspec.structs.replace(one, secret=Secret("t" * 32))

    assert Addresses.of(one) == Addresses.of(one.replace(port=1))
    assert Addresses.of(one) != Addresses.of(other)
