import pytest

from tests.gateway.uploading import JPEG, MEBIBYTE, refused, uploading


@pytest.fixture
async def ada(settings):
    async with uploading(settings) as uploader:
        yield uploader


async def test_a_caption_up_to_its_limit_is_kept_whole(ada):
    """2,200 characters, counted as people count code points, not bytes."""
    for letter in "ař🌅":
        response, answer = await ada.send(("photo", JPEG), caption=letter * 2_200)
        assert response.status == 202
        assert (await ada.event(answer)).caption == letter * 2_200


async def test_a_caption_over_its_limit_is_refused(ada):
    """Refused, never cut."""
    for caption in ("a" * 2_201, "🌅" * 2_201, "a" * MEBIBYTE):
        problem = await refused(ada, 422, "text-too-long", ("photo", JPEG), caption=caption)
        assert problem["errors"][0]["field"] == "caption"


async def test_emoji_of_many_parts_stay_whole(ada):
    """Joiners, selectors, skin tones and flags are what people write, not control characters."""
    caption = "👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇨🇿\nzweite Zeile"
    _, answer = await ada.send(("photo", JPEG), caption=caption)

    assert (await ada.event(answer)).caption == caption


async def test_a_nul_is_refused(ada):
    """No text holds what Postgres cannot keep."""
    for field in ("caption", "alt"):
        await refused(ada, 422, "control-characters", ("photo", JPEG), (field, "a\0b"))


async def test_bidirectional_overrides_are_dropped(ada):
    """A caption cannot turn the text around it."""
    _, answer = await ada.send(("photo", JPEG), caption="a\u202eb\u2066c")

    assert (await ada.event(answer)).caption == "abc"


async def test_text_that_is_no_utf8_is_refused(ada):
    """400: nobody knows what it says."""
    await refused(ada, 400, "malformed-multipart", ("photo", JPEG), ("caption", b"\xff\xfe"))


WRONG_PLACES = (
    {"latitude": "52"},
    {"longitude": "13"},
    {"latitude": "90.1", "longitude": "13"},
    {"latitude": "52", "longitude": "-180.5"},
    {"latitude": "nan", "longitude": "13"},
    {"latitude": "1_0", "longitude": "13"},
    {"latitude": "52", "longitude": "east"},
    {"latitude": "52", "longitude": "9" * 400},
)


async def test_a_place_is_two_numbers_within_the_globe(ada):
    """Half a place, or one off the globe, is refused with the field's name."""
    for place in WRONG_PLACES:
        response, problem = await ada.send(("photo", JPEG), **place)
        assert response.status == 422, place
        assert problem["errors"][0]["field"] in ("latitude", "longitude")
    assert await ada.staged() == set()


async def test_blank_coordinates_say_nothing(ada):
    """Browsers send fields that were left empty."""
    _, answer = await ada.send(("photo", JPEG), latitude="", longitude=" ")

    assert (await ada.event(answer)).place is None


async def test_an_unknown_field_is_named(ada):
    """What would be lost without a word is refused instead."""
    for field in ("captoin", "photo[]"):
        problem = await refused(ada, 422, "unknown-field", ("photo", JPEG), (field, "x"))
        assert problem["errors"][0]["field"] == field


async def test_a_second_caption_is_refused(ada):
    """Nobody can tell which of the two is meant."""
    await refused(ada, 422, "invalid", ("photo", JPEG), ("caption", "a"), ("caption", "b"))
