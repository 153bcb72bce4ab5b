"""`[[oidc]]` of a settings file."""

import pytest

from puyun.config import SettingsError, load

GOOD = """
[[oidc]]
name = "acme"
title = "Acme ID"
issuer = "https://id.example.com"
client_id = "puyun"
client_secret = "env:ACME_SECRET"
"""


def loaded(tmp_path, text):
    file = tmp_path / "puyun.toml"
    file.write_text(text)
    return load(file, {}, {}, data=tmp_path)


def test_issuers_are_read_in_their_order(tmp_path):
    second = GOOD.replace("acme", "work").replace("id.", "login.") + "allow_signup = true\n"
    acme, work = loaded(tmp_path, "[server]\nport = 1\n" + GOOD + second).oidc
    assert (acme.name, acme.scopes, acme.allow_signup) == ("acme", "openid email profile", False)
    assert (work.issuer, work.allow_signup) == ("https://login.example.com", True)


@pytest.mark.parametrize(
    ("change", "where", "says"),
    [
        (('name = "acme"', 'name = "A B"'), "oidc[1]", "name"),
        (('name = "acme"', ""), "oidc[1]", "name"),
        (("https://id", "ftp://id"), "oidc[1]", "issuer"),
        (("https://id", "https://me:secret@id"), "oidc[1]", "issuer"),
        (("https://id", "http://id"), "oidc[1].issuer", "upstream.allow_private"),
        (("env:ACME_SECRET", "abc-literal"), "oidc[1].client_secret", "does not belong in this file"),
        (("client_secret", "client_secert"), "oidc[1]", "client_secert"),
        (('client_id = "puyun"', 'client_id = "puyun"\nscopes = "email"'), "oidc[1].scopes", "openid"),
        (("[[oidc]]", "[oidc]"), "oidc", "[[oidc]]"),
    ],
)
def test_a_wrong_one_stops_the_start_and_says_where_it_stands(tmp_path, change, where, says):
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, GOOD.replace(*change))
    assert refused.value.param == where
    assert says in str(refused.value)
    assert "abc-literal" not in str(refused.value)
    assert "secret@" not in str(refused.value)


def test_no_two_with_one_name_or_one_issuer_and_not_without_end(tmp_path):
    for text in (GOOD + GOOD.replace("https://id", "https://x"), GOOD + GOOD.replace("acme", "b"), GOOD * 11):
        with pytest.raises(SettingsError):
            loaded(tmp_path, text)


def test_without_tls_only_where_the_operator_says_so(tmp_path):
    text = GOOD.replace("https://id", "http://id") + "\n[upstream]\nallow_private = true\n"
    assert loaded(tmp_path, text).oidc[0].issuer == "http://id.example.com"
