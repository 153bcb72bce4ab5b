"""Somebody who has signed in to the pages, in process."""

import re

from starlette.testclient import TestClient

from stage.pages import PASSWORD, Site

EMAIL = "ada@example.com"


def signed_in(pages: Site, email: str = EMAIL) -> TestClient:
    client = TestClient(pages.app, follow_redirects=False)
    token = re.search(r'name="csrf" value="(\w+)"', client.get("/login").text)
    assert token
    assert client.post("/login", data={"csrf": token[1], "email": email, "password": PASSWORD}).status_code == 303
    return client
