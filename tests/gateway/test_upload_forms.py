from io import BytesIO

import pytest

from tests.gateway.uploading import HEAD, JPEG, MEBIBYTE, uploading

BROKEN = {
    "nothing": b"",
    "no boundary": b"hello",
    "only the beginning": HEAD,
    "cut in the photo": HEAD + JPEG,
    "no last boundary": HEAD + JPEG + b"\r\n--b\r\n",
    "cut in a header": HEAD + JPEG + b"\r\n--b\r\nContent-Dispo",
    "a part without a name": b"--b\r\n\r\nx\r\n--b--\r\n",
    "half a boundary": HEAD + JPEG + b"\r\n--",
    "a header line of megabytes": b"--b\r\nX: " + b"x" * MEBIBYTE + b"\r\n\r\n\r\n--b--\r\n",
    "a form in the form": b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
    b"--c\r\n\r\n\r\n--c--\r\n\r\n--b--\r\n",
    "base64": b'--b\r\nContent-Disposition: form-data; name="photo"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\n/9j/4AAQ\r\n--b--\r\n",
}


@pytest.fixture
async def ada(settings):
    async with uploading(settings) as uploader:
        yield uploader


async def test_a_body_of_another_type_is_refused(ada):
    """415 for what is no form, 400 for a form that cannot be split."""
    for content_type, status in (
        ("application/json", 415),
        ("image/jpeg", 415),
        ("multipart/mixed; boundary=b", 415),
        ("multipart/form-data", 400),
        (f"multipart/form-data; boundary={'b' * 71}", 400),
    ):
        response, _ = await ada.post(b"{}", {"Content-Type": content_type})
        assert response.status == status, content_type


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_broken_form_is_refused(ada, chunked):
    """A form that ends early or cannot be read is 400, and what it had staged is gone."""
    for how, body in BROKEN.items():
        response, problem = await ada.post(
            pieces_of(body) if chunked else BytesIO(body),
            {"Content-Type": "multipart/form-data; boundary=b"},
        )
        assert (response.status, problem["code"]) == (400, "malformed-multipart"), (how, problem)
        assert await ada.staged() == set(), how


async def pieces_of(body):
    for at in range(0, len(body), 1000):
        yield body[at : at + 1000]


@pytest.mark.filterwarnings("ignore::aiohttp.multipart.BadContentDispositionParam")
@pytest.mark.parametrize(
    "header",
    [
        b'Content-Disposition: form-data; name="\xff"',
        b'Content-Disposition: form-data; name="\xed\xa0\x80"',
        b"Content-Disposition: form-data; name*=utf-8''%ED%A0%80",
        b"Content-Disposition: form-data; name*=nowhere''%70hoto",
        b'Content-Disposition: form-data; name="photo"\r\nContent-Transfer-Encoding: \xff',
        b"\xff no header",
    ],
)
async def test_a_part_that_cannot_be_named_is_refused(ada, header):
    """Whatever its bytes are, the answer is a problem document that does not repeat them."""
    response, problem = await ada.post(
        BytesIO(b"--b\r\n" + header + b"\r\n\r\nx\r\n--b--\r\n"),
        {"Content-Type": "multipart/form-data; boundary=b"},
    )

    assert (response.status, problem["code"]) == (400, "malformed-multipart")
    assert problem["detail"].isascii()
    assert "\\x" not in problem["detail"]


@pytest.mark.parametrize(
    ("name", "code"),
    [("alt", "too-many-alts"), ("caption", "invalid"), ("latitude", "invalid")],
)
async def test_a_form_of_endless_parts_is_refused(ada, name, code):
    """Each field is counted, and one too many ends the reading: it never goes on for ever."""
    part = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n1\r\n'.encode()
    response, problem = await ada.post(
        part * 10_000 + b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}
    )

    assert (response.status, problem["code"]) == (422, code)
