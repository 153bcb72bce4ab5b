"""N6, in every way that an address can be written."""

import pytest

from puyun.kit.errors import PuyunError
from puyun.notices.address import URL_MAX, Place, allowed, parse_url

PRIVATE = (
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
)


@pytest.mark.parametrize("address", [*PRIVATE, "localhost", "", "1.1.1", "0x7f.1"])
def test_what_is_not_connected_to(address: str) -> None:
    assert not allowed(address, private=False)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_what_is(address: str) -> None:
    assert allowed(address, private=False)


def test_the_operators_leave_opens_private_addresses_and_nothing_without_a_machine() -> None:
    assert all(allowed(address, private=True) for address in ("127.0.0.1", "10.0.0.1", "::1", "fd12:3456::1"))
    assert not any(allowed(address, private=True) for address in ("0.0.0.0", "::", "224.0.0.1", "ff02::1", "here"))


def fault(url: str, *, private: bool = False) -> str:
    with pytest.raises(PuyunError) as caught:
        parse_url(url, private=private)
    assert (caught.value.param, caught.value.status) == ("url", 400)
    return caught.value.code


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_in_a_url_is_refused_at_once(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    assert fault(f"https://{host}/hook") in {"url_not_public", "invalid_url"}


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "a.localhost", "printer.local", "intranet", "2130706433", "127.1", "0x7f000001"]
)
def test_a_name_that_is_not_public_by_its_looks(host: str) -> None:
    assert fault(f"https://{host}/hook") == "url_not_public"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/hook",
        "http://example.com/hook",
        "ftp://example.com",
        "https://",
        "https:///hook",
        "https://user:pw@example.com/",
        "https://example.com/#part",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://[::1/",
        "https://exa mple.com/",
        "https://example.com/\r\nx: y",
        "https://例え.jp/",
        "https://example.com/" + "x" * URL_MAX,
    ],
)
def test_what_is_no_url_of_a_webhook(url: str) -> None:
    assert fault(url) == "invalid_url"


def test_a_good_one_is_taken_apart() -> None:
    place = parse_url("https://hooks.example.com:8443/a/b?c=d", private=False)
    assert place == Place(True, "hooks.example.com", 8443, "hooks.example.com:8443", "/a/b?c=d")
    assert parse_url("https://example.com", private=False).path == "/"
    assert parse_url("http://127.0.0.1:81/x", private=True) == Place(False, "127.0.0.1", 81, "127.0.0.1:81", "/x")
