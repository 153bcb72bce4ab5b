import asyncio

import pytest
from starlette.requests import Request

from puyun.kit.errors import PuyunError
from puyun.web.forms import CHOICES_FORM_MAX, CHOICES_MAX, FORM_MAX, local_path, read_choices, read_form


def read(*chunks, how=read_form):
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    remaining = iter(messages)

    async def receive():
        return next(remaining)

    return asyncio.run(how(Request({"type": "http", "method": "POST", "headers": []}, receive)))


def test_fields_are_decoded_across_chunks_and_the_last_of_a_name_wins():
    assert read(b"email=a%40exam", b"ple.com&x=1&x=2&empty=") == {"email": "a@example.com", "x": "2", "empty": ""}


def test_choices_keep_every_value_of_a_name():
    body = b"&".join(b"model=m%d" % number for number in range(100))
    assert read(b"scope=chosen&", body, how=read_choices) == {
        "scope": ["chosen"],
        "model": [f"m{number}" for number in range(100)],
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"a=" + b"x" * CHOICES_FORM_MAX, "form_too_large"), (b"a=1&" * CHOICES_MAX + b"a=1", "bad_form")],
)
def test_choices_are_bounded_too(body, code):
    with pytest.raises(PuyunError) as caught:
        read(body, how=read_choices)
    assert caught.value.code == code


def test_a_large_form_is_refused_before_it_is_read_whole():
    with pytest.raises(PuyunError) as caught:
        read(b"a=" + b"x" * FORM_MAX, b"more")
    assert (caught.value.code, caught.value.status) == ("form_too_large", 413)


@pytest.mark.parametrize("body", [b"\xff\xfe=1", b"&".join(b"f%d=1" % number for number in range(60))])
def test_what_no_browser_sends_is_refused(body):
    with pytest.raises(PuyunError) as caught:
        read(body)
    assert caught.value.code == "bad_form"


@pytest.mark.parametrize("path", ["/portal/usage?by=key", "/"])
def test_a_path_of_this_site_is_followed(path):
    assert local_path(path, "/home") == path


@pytest.mark.parametrize(
    "path", ["", "https://evil.example", "//evil.example", "/\\evil.example", "/a\r\nset-cookie: x"]
)
def test_a_path_elsewhere_is_not(path):
    assert local_path(path, "/home") == "/home"
