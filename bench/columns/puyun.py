"""puyun as it is sold: key, limits, lease, hold, durable settle and usage record for every call; nothing switched off."""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bench.columns.column import ROOT, Column, Command, Site
from bench.process import answers

PROGRAM = ROOT / ".venv" / "bin" / "puyun"
LIMITS = ("--rpm", "1000000000", "--itpm", "1000000000000", "--otpm", "1000000000000", "--in-flight", "100000")
"""Counted for every call, and never reached."""

ORGANIZATION = "bench"
TAKEN_OVER_WITHIN = 10.0  # seconds; the promise is 2
TIERS = ("test", "flex", "enterprise")
ENVIRONMENT = {"BENCH_KEY": "sk-bench", "PUYUN_UPSTREAM__ALLOW_PRIVATE": "true"}

PROVIDER = """\
[[providers]]
name = "mock"
dialect = "openai"
base_url = "http://127.0.0.1:{port}/v1"
api_key = "env:BENCH_KEY"
"""
MODEL = """
[[deployments]]
name = "{model}@mock"
provider = "mock"
upstream_model = "{model}"
pool = "shared"
seats = 20000

[[models]]
name = "{model}"
kind = "chat"
context_length = 128000
max_output = 4096
deployments = ["{model}@mock"]
"""
PRICE = """
[[prices]]
model = "{model}"
tier = "{tier}"
input = "2.50"
output = "10.00"
"""


class NewKey(msgspec.Struct):
    key: str


class Total(msgspec.Struct):
    calls: int
    failures: int


class Usage(msgspec.Struct):
    total: Total


class Puyun(Column):
    name = "puyun"
    ready_path = "/readyz"

    def available(self) -> bool:
        return PROGRAM.exists()

    def version(self) -> str:
        return subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=False).stdout.strip()

    def prepare(self, site: Site) -> None:
        catalogue = PROVIDER.format(port=site.mock_port)
        for model in site.models:
            catalogue += MODEL.format(model=model) + "".join(PRICE.format(model=model, tier=tier) for tier in TIERS)
        (site.directory / "catalogue.toml").write_text(catalogue)

    def command(self, site: Site) -> Command:
        argv = [PROGRAM, "serve", "--data", data(site), "--host", "127.0.0.1", "--port", str(site.port), "--no-demo"]
        return Command(argv, ENVIRONMENT)

    def open(self, site: Site) -> dict[str, str]:
        say(site, "catalog", "apply", str(site.directory / "catalogue.toml"))
        say(site, "org", "create", ORGANIZATION)
        say(site, "topup", ORGANIZATION, "100000")
        say(site, "limits", "set", ORGANIZATION, *LIMITS)
        key = msgspec.json.decode(say(site, "key", "create", "--org", ORGANIZATION, "--json"), type=NewKey).key
        headers = {"Authorization": f"Bearer {key}"}
        wait_sold(site, headers)
        return headers

    def faults(self, site: Site, calls: int) -> list[str]:
        """Every completed call has its usage record, no other has one, and the books balance."""
        found: list[str] = []
        settled = settled_calls(say(site, "usage", ORGANIZATION, "--json"))
        if settled != calls:
            found.append(f"{calls} calls completed, {settled} settled")
        audit = ask(site, "audit")
        if audit.returncode != 0:
            found.append(f"audit: {audit.stdout.strip() or audit.stderr.strip()}")
        return found

    def bytes_kept(self, site: Site) -> int:
        return sum(file.stat().st_size for file in data(site).rglob("*.db"))


def wait_sold(site: Site, headers: Mapping[str, str]) -> None:
    """Until the running server has taken over key, models and prices. Raises RuntimeError when it does not."""
    deadline = time.monotonic() + TAKEN_OVER_WITHIN
    for model in site.models:
        while not answers(site.port, f"/v1/models/{model}", headers):
            if time.monotonic() > deadline:
                raise RuntimeError(f"puyun does not sell {model} after {TAKEN_OVER_WITHIN} s")
            time.sleep(0.05)


def data(site: Site) -> Path:
    return site.directory / "data"


def settled_calls(usage: str) -> int:
    """Of `puyun usage --json`: the calls that have a usage record and did not fail."""
    total = msgspec.json.decode(usage, type=Usage).total
    return total.calls - total.failures


def ask(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **ENVIRONMENT}
    return subprocess.run([PROGRAM, *words, "--data", data(site)], capture_output=True, text=True, check=False, env=env)


def say(site: Site, *words: str) -> str:
    """Standard output of a command that must succeed. Raises RuntimeError with what it said."""
    done = ask(site, *words)
    if done.returncode != 0:
        raise RuntimeError(f"puyun {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
