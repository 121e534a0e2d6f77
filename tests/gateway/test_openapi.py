import json

import msgspec
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from gateway.app import all_routes
from gateway.openapi import Problem, document
from gateway.routing import Page
from gateway.shapes import Fanout, Post, PostForm, Windows
from tests.gateway.publishing import JPEG, publish, reject, show, submit

PARTS = {
    "photo": JPEG,
    "alt": "a cat",
    "caption": "at home",
    "latitude": "48.2",
    "longitude": "16.4",
}


@pytest.fixture(scope="module")
def described():
    return json.loads(document(tuple(all_routes())))


def exactly(raw, shape):
    """The answer as this shape, of which it has every field and no other."""
    decoded = msgspec.json.decode(raw, type=shape)
    assert msgspec.to_builtins(decoded) == json.loads(raw)
    return decoded


async def test_a_post_is_what_the_document_says(gateway, settle, ada):
    """In each of its states, alone and in a list: no field is missing, none is undocumented."""
    fields = {name: value for name, value in PARTS.items() if name != "photo"}
    processing = await submit(gateway, ada)
    rejected = await submit(gateway, ada)
    await reject(gateway, settle, ada, rejected)
    published = await publish(gateway, settle, ada, JPEG, **fields)

    posts = [
        exactly((await show(gateway, post_id, ada)).raw, Post)
        for post_id in (processing["id"], rejected["id"], published)
    ]
    assert [each.state for each in posts] == ["processing", "rejected", "published"]
    assert posts[1].problem.code == "corrupt-image"
    assert posts[2].photos[0].alt == "a cat"
    assert posts[2].photos[0].renditions

    listed = await gateway.ask("GET", f"/v1/accounts/{ada.username}/posts", ada)
    assert exactly(listed.raw, Page[Post]).items == [replace(posts[2], fanout=UNSET)]
    assert posts[2].fanout == Fanout("pushed", True, 0, Windows(0, 0, 0))


async def test_an_upload_may_have_every_part_of_its_form(gateway, ada, described):
    """The document's form names just the parts that are taken."""
    operation = described["paths"]["/v1/posts"]["post"]
    schema = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    form = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]

    assert PARTS.keys() == form["properties"].keys()
    assert form["required"] == ["photo"]
    assert form["properties"]["photo"]["items"]["format"] == "binary"
    assert PARTS.keys() == {each.name for each in msgspec.structs.fields(PostForm)}
    fields = {name: value for name, value in PARTS.items() if name != "photo"}
    assert await submit(gateway, ada, PARTS["photo"], **fields)


async def test_a_refusal_is_what_the_document_says(gateway):
    """Fields and limits too are where the document has them."""
    too_large = await gateway.ask("POST", "/v1/sessions", json={"username": "a" * 200_000})
    invalid = await gateway.ask("POST", "/v1/accounts", json={"username": "A!", "password": "x"})

    assert exactly(too_large.raw, Problem).max_bytes > 0
    assert exactly(invalid.raw, Problem).errors[0].field in ("username", "password")


def test_every_answer_in_json_has_a_schema(described):
    """No operation leaves its answer to guessing."""
    unsaid = [
        (path, method)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        for answer in operation["responses"].values()
        if answer.get("content", {}).get("application/json", {}).get("schema") == {}
    ]

    assert unsaid == []
