import pytest
from starlette.requests import Request

from puyun.kit.errors import PuyunError
from puyun.web import csrf

SECRET = "secret of a cookie"


def allowed(headers, *, form=None, secret=SECRET):
    raw = [(name.encode(), value.encode()) for name, value in {"host": "shop.example", **headers}.items()]
    request = Request({"type": "http", "method": "POST", "headers": raw})
    try:
        csrf.check(request, {csrf.FIELD: csrf.token(SECRET)} if form is None else form, secret)
    except PuyunError as error:
        return (error.code, error.status) != ("forged_form", 403)
    return True


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://shop.example"}, False),
        ({"origin": "https://shop.example"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({}, True),  # no browser of today; the token decides
    ],
)
def test_the_browser_says_where_a_post_comes_from(headers, expected):
    assert allowed(headers) is expected


@pytest.mark.parametrize("form", [{}, {csrf.FIELD: ""}, {csrf.FIELD: "0" * 64}, {csrf.FIELD: "é"}])
def test_a_form_without_its_token_is_refused(form):
    assert not allowed({"sec-fetch-site": "same-origin"}, form=form)


def test_a_token_of_another_secret_is_refused():
    assert not allowed({}, secret="another")


def test_nobody_without_a_cookie_can_post():
    assert not allowed({}, form={csrf.FIELD: csrf.token("")}, secret="")
