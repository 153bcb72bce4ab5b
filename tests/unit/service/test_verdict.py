import re
from pathlib import Path

import pytest

import puyun.service
from puyun.ledger.hold import Status
from puyun.service.verdict import BAD, Verdict, verdict

README = Path(puyun.service.__file__).parent / "README.md"
CONCEPT = Path(__file__).parents[3] / "docs" / "concepts" / "service-levels.md"


@pytest.mark.parametrize(
    ("status", "error", "judged"),
    [
        (Status.COMPLETED, None, Verdict.GOOD),
        (Status.CUT, None, Verdict.GOOD),
        (Status.CANCELLED, None, Verdict.GONE),
        (Status.CRASHED, "crashed", Verdict.OURS),
        (Status.FAILED, "upstream_error", Verdict.UPSTREAM_ERROR),
        (Status.FAILED, "upstream_timeout", Verdict.UPSTREAM_TIMEOUT),
        (Status.FAILED, "capacity_unavailable", Verdict.CAPACITY),
        (Status.FAILED, "internal_error", Verdict.OURS),
        (Status.FAILED, "temporarily_unavailable", Verdict.OURS),
        (Status.FAILED, "unrecorded", Verdict.OURS),
        (Status.FAILED, "upstream_refused", Verdict.REFUSED),
        (Status.FAILED, "rate_limit_exceeded", Verdict.REFUSED),
        (Status.FAILED, "insufficient_credit", Verdict.REFUSED),
        (Status.FAILED, "something_new", Verdict.OURS),
        (Status.FAILED, None, Verdict.OURS),
    ],
)
def test_how_a_call_counts(status: Status, error: str | None, judged: Verdict) -> None:
    assert verdict(status, error) is judged


def test_every_status_has_a_verdict() -> None:
    assert {verdict(status, None) for status in Status} == {Verdict.GOOD, Verdict.GONE, Verdict.OURS}


@pytest.mark.parametrize("document", [README, CONCEPT], ids=["readme", "concept"])
def test_every_cause_stands_in_the_table(document: Path) -> None:
    causes = re.findall(r"\| bad: `(\w+)`", document.read_text("utf-8"))
    assert set(causes) == {str(cause) for cause in BAD}
