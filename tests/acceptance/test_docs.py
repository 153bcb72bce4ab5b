"""Every example of the documentation, as a page shows it, against a running platform."""

import os
import re
import subprocess
import sys
import urllib.request
from html import unescape

import pytest
from stage.platform import Platform, instant

from puyun.identity.tokens import Scope, TokenSpec
from puyun.kit.clock import DAY, Instant
from puyun.portal.docs.library import NAMES
from puyun.storage.control.tokens import issue_token
from puyun.storage.engine import writing
from puyun.storage.identity import find_user
from puyun.system.entropy import token_entropy

RUN = "import runpy, sys\nfor path in sys.argv[1:]:\n    print('#', path)\n    runpy.run_path(path)\n"


@pytest.fixture(scope="module")
def examples(platform: Platform) -> dict[str, list[tuple[str, str]]]:
    """(page, code) of each kind."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name in NAMES:
        with urllib.request.urlopen(f"{platform.base_url}/docs/{name}", timeout=20) as answer:
            page = answer.read().decode()
        for kind, code in re.findall(r'data-kind="(\w+)">.*?<code>(.*?)</code>', page, re.DOTALL):
            found.setdefault(kind, []).append((name, unescape(code)))
    return found


@pytest.fixture(scope="module")
def environment(platform: Platform) -> dict[str, str]:
    account = platform.account()
    email = platform.person(account)
    with writing(platform.engine) as connection:
        user = find_user(connection, email)
        assert user is not None
        spec = TokenSpec(name="docs", scopes=tuple(Scope), expires_at=Instant(instant() + DAY))
        token = issue_token(connection, account.number, user.id, spec, entropy=token_entropy, now=instant())
    return os.environ | {"PUYUN_API_KEY": account.key, "PUYUN_TOKEN": token.secret}


def test_every_python_example_runs(examples, environment, tmp_path) -> None:
    files = []
    for place, (name, code) in enumerate(examples["python"]):
        file = tmp_path / f"{place}-{name}.py"
        file.write_text(code)
        files.append(str(file))
    assert len(files) >= 10
    command = [sys.executable, "-c", RUN, *files]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "genuine: req_" in done.stdout, "the receipt was verified"


def test_every_curl_example_runs(examples, environment) -> None:
    commands = [code for _, code in examples["sh"] if code.startswith("curl")]
    assert len(commands) >= 6
    for command in commands:
        script = f"{command} -sS --fail-with-body"
        done = subprocess.run(
            ["sh", "-c", script], env=environment, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_every_variable_of_the_examples_is_explained(examples) -> None:
    used = {
        name for kind in ("sh", "python") for _, code in examples[kind] for name in re.findall(r"\bPUYUN_\w+", code)
    }
    assert used == {"PUYUN_API_KEY", "PUYUN_TOKEN"}
