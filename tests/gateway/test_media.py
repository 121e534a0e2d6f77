import hashlib
import time

import msgspec
import pytest

from events.model_decided import address_of
from events.posts import PostRerendered
from gateway.addresses import DAY_SECONDS
from gateway.keys import LOG, NOTICES, OBJECTS, READER, WRITTEN
from stores.objects import Objects, rendition_key
from tests.gateway.publishing import (
    JPEG,
    RECIPE,
    announce,
    bytes_of,
    publish,
    rendered_of,
    store,
    urls_of,
)
from tests.gateway.serving import until

DIGEST = hashlib.sha256(JPEG).hexdigest()


@pytest.fixture
async def ada(gateway):
    return await gateway.sign_up("ada")


@pytest.fixture
async def post_id(gateway, settle, ada):
    return await publish(gateway, settle, ada)


@pytest.fixture
async def url(gateway, ada, post_id):
    return (await urls_of(gateway, post_id, ada))[640]


def age_of(answer, directive):
    """The seconds that Cache-Control gives a directive."""
    given = dict(each.strip().partition("=")[::2] for each in cached(answer).split(","))
    return int(given[directive])


def cached(answer):
    return answer.headers["Cache-Control"]


async def test_every_rendition_is_served_without_a_token(gateway, ada, post_id):
    """As an <img> asks for it: the bytes, their type, and nothing that invites sniffing."""
    for width, url in (await urls_of(gateway, post_id, ada)).items():
        answer = await gateway.ask("GET", url)

        assert (answer.status, answer.raw) == (200, bytes_of(JPEG, width))
        assert answer.headers["Content-Type"] == "image/webp"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Length"] == "10000"
        assert DIGEST not in url


async def test_caches_may_keep_a_photo_but_never_past_its_address(gateway, url):
    """Browsers until the address ends, shared caches an hour at most."""
    answer = await gateway.ask("GET", url)
    expires = int(url.partition("e=")[2].partition("&")[0])

    assert expires % DAY_SECONDS == 0
    assert cached(answer).startswith("public, ")
    assert cached(answer).endswith(", immutable")
    assert age_of(answer, "max-age") <= expires - time.time() + 1
    assert age_of(answer, "s-maxage") <= min(3600, age_of(answer, "max-age"))


async def test_head_says_what_get_would_send(gateway, url):
    """The same headers, without a body."""
    got, head = await gateway.ask("GET", url), await gateway.ask("HEAD", url)

    assert (head.status, head.raw) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges"):
        assert head.headers[name] == got.headers[name]


async def test_head_knows_no_ranges(gateway, url):
    """As RFC 9110 wants it: the length is that of the whole photo."""
    for asked in ("bytes=0-9", "bytes=20000-"):
        head = await gateway.ask("HEAD", url, headers={"Range": asked})
        assert (head.status, head.headers["Content-Length"]) == (200, "10000"), asked
        assert "Content-Range" not in head.headers


async def test_what_a_client_has_is_not_sent_again(gateway, url):
    """304 for this version, weak or among others or any; all of it for another."""
    etag = (await gateway.ask("GET", url)).headers["ETag"]
    for value in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = await gateway.ask("GET", url, headers={"If-None-Match": value})
        assert (answer.status, answer.raw, answer.headers["ETag"]) == (304, b"", etag)
        assert "max-age" in cached(answer)
    assert (await gateway.ask("GET", url, headers={"If-None-Match": '"x"'})).status == 200


async def test_each_rendition_has_its_own_etag(gateway, ada, post_id):
    """Two sizes of one photo are never taken for each other."""
    urls = await urls_of(gateway, post_id, ada)

    assert len({(await gateway.ask("GET", url)).headers["ETag"] for url in urls.values()}) == 2


async def test_a_page_that_is_open_outlives_the_recipe_of_its_photos(
    gateway, settle, ada, post_id, url
):
    """Its addresses go on; whoever asks for the post anew gets those of the new recipe."""
    heard = []
    gateway.app[NOTICES].subscribe(heard.append)
    await store(gateway, JPEG, "later")
    renewed = msgspec.structs.replace(rendered_of(JPEG), recipe="later", former=RECIPE)
    event = PostRerendered(post_id=int(post_id), photos=(renewed,))
    submission = {"event": str(address_of("posts", int(post_id), gateway.app[LOG].partitions))}
    await announce(gateway, ada, submission, event)
    await settle()
    await until(lambda: heard)
    newer = (await urls_of(gateway, post_id, ada))[640]

    for each in (url, newer):
        answer = await gateway.ask("GET", each)
        assert (answer.status, answer.raw) == (200, bytes_of(JPEG, 640))
    assert (await gateway.ask("GET", url.replace("/640.", "/641."))).status in (403, 404)


RANGES = {
    "0-0": (0, 0),
    "100-199": (100, 199),
    "9990-": (9990, 9999),
    "-10": (9990, 9999),
    "9000-99999": (9000, 9999),
    "0-" + "9" * 5_000: (0, 9999),
    "-10001": (0, 9999),
    "-" + "9" * 5_000: (0, 9999),
}


async def test_a_range_is_served(gateway, url):
    """206 with exactly the bytes named."""
    for asked, (first, last) in RANGES.items():
        answer = await gateway.ask("GET", url, headers={"Range": f"bytes={asked}"})
        assert answer.status == 206, asked
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/10000"
        assert answer.raw == bytes_of(JPEG, 640)[first : last + 1]


async def test_a_range_beyond_the_end_is_refused(gateway, url):
    """416 with the size there is."""
    for asked in ("10000-", "20000-20001", "9" * 5_000 + "-", "-0"):
        answer = await gateway.ask("GET", url, headers={"Range": f"bytes={asked}"})
        assert answer.status == 416, asked
        assert answer.headers["Content-Range"] == "bytes */10000"


async def test_a_range_that_cannot_be_read_is_answered_with_everything(gateway, url):
    """As RFC 9110 wants it."""
    for asked in ("bytes=0-1,5-6", "bytes=x", "lines=1-2", "bytes=-", "bytes=5-2"):
        answer = await gateway.ask("GET", url, headers={"Range": asked})
        assert (answer.status, len(answer.raw)) == (200, 10_000), asked


async def test_a_range_of_another_version_is_answered_with_everything(gateway, url):
    """If-Range guards against stitching two versions together."""
    etag = (await gateway.ask("GET", url)).headers["ETag"]
    for value, status in ((etag, 206), ('"x"', 200), (f"W/{etag}", 200), ("*", 200)):
        headers = {"Range": "bytes=0-9", "If-Range": value}
        assert (await gateway.ask("GET", url, headers=headers)).status == status


async def test_an_address_that_was_changed_is_refused(gateway, url):
    """403 whatever was changed: photo, width, expiry or signature; 404 where no photo could be."""
    for changed in (
        url.replace("/640.", "/320."),
        url.replace("e=", "e=1"),
        url[:-1] + ("A" if url[-1] != "A" else "B"),
        url.partition("?")[0],
        url.partition("&")[0],
    ):
        assert (await gateway.ask("GET", changed)).status == 403
    for path in ("/media/x", "/media/", "/media/1/2/3", "/media/../v1/feed?e=1&s=1"):
        answer = await gateway.ask("GET", path)
        assert answer.status == 404
        assert answer.headers["Content-Type"] == "application/problem+json"


async def test_an_address_that_has_ended_is_refused(gateway, ada, post_id):
    """Ours once, but not any more."""
    addresses = gateway.app[WRITTEN].addresses
    blob = addresses.blob(DIGEST, RECIPE)
    url = addresses.photo_url(
        int(post_id), blob, 640, "webp", private=False, expires=int(time.time()) - 1
    )
    answer = await gateway.ask("GET", url)

    assert (answer.status, answer.body["code"]) == (403, "expired-address")


async def test_a_signed_address_of_nothing_is_not_found(gateway, post_id):
    """A good signature does not make a photo: not another post's, photo's, width's or format's."""
    addresses = gateway.app[WRITTEN].addresses
    expires = addresses.expiry(private=False, now=time.time())
    number, blob = int(post_id), addresses.blob(DIGEST, RECIPE)
    for named in (
        (number + 1, blob, 640, "webp"),
        (number, addresses.blob("00" * 32, RECIPE), 640, "webp"),
        (number, blob, 641, "webp"),
        (number, blob, 640, "jpg"),
    ):
        url = addresses.photo_url(*named, private=False, expires=expires)
        assert (await gateway.ask("GET", url)).status == 404, named


async def test_a_photo_whose_bytes_are_missing_is_not_found(gateway, settle, ada):
    """404, not an error of ours."""
    photo = JPEG + b"missing"
    post_id = await publish(gateway, settle, ada, photo)
    url = (await urls_of(gateway, post_id, ada))[640]
    digest = hashlib.sha256(photo).hexdigest()
    await gateway.app[OBJECTS].delete([rendition_key(digest, RECIPE, 640, "webp")])

    assert (await gateway.ask("GET", url)).status == 404


async def test_without_storage_photos_are_unavailable(gateway, url):
    """503 with Retry-After, and nobody keeps that answer."""
    async with Objects("http://k:s@127.0.0.1:9/bucket") as nowhere:
        gateway.app._state[OBJECTS] = nowhere
        answer = await gateway.ask("GET", url)

    assert answer.status == 503
    assert "Retry-After" in answer.headers
    assert cached(answer) == "no-store"


async def test_photos_in_reach_are_served_without_postgres(gateway, url):
    """The card that was read before is enough."""
    gateway.app[READER].terminate()

    assert (await gateway.ask("GET", url)).status == 200
