"""puyun simulate tiers: who is served when, under the shipped scheduler and under what is usual elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import output
from puyun.cli.failure import Failure, not_found, usage
from puyun.cli.opening import Json

if TYPE_CHECKING:
    from puyun.sim.scenario import Scenario
    from puyun.sim.tiers.compare import Report

COLUMNS = {
    "scenario": "scenario",
    "policy": "policy",
    "tier": "tier",
    "served": "served",
    "p50": "wait p50",
    "p99": "p99",
    "longest": "longest",
    "seats": "of seats",
    "jain": "Jain",
    "use": "in use",
    "idle": "idle while waited for",
}

TARGETS = {"number": "", "what": "figure", "wanted": "wanted", "found": "found", "verdict": ""}
_VERDICTS = {True: "kept", False: "missed", None: "not here"}


def tiers(
    scenarios: Annotated[
        list[str] | None, typer.Argument(metavar="[SCENARIO]…", help="Which; all of them by default.")
    ] = None,
    *,
    policy: Annotated[
        list[str] | None, typer.Option(help="puyun, split, priority or fifo; repeat it. All of them by default.")
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(help="CSV: TIMESTAMP, ContextTokens, GeneratedTokens. Adds the scenario `trace`."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots to this file.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 if a figure is missed.")] = False,
    as_json: Json = False,
) -> None:
    """Serve three tiers from the same seats under load: waits, shares, fairness, by policy.

    `puyun` is the scheduler that serves, unchanged; `split` the same with its seats divided among four workers; `priority`
    the highest tier first; `fifo` first come, first served.
    """
    from puyun.sim.policies.choice import POLICIES
    from puyun.sim.tiers.compare import OURS, compare

    policies = policy or list(POLICIES)
    for name in policies:
        if name not in POLICIES:
            raise usage(f"There is no policy {name!r}.", f"one of {', '.join(POLICIES)}")
    chosen = _chosen(scenarios or [], trace)
    with output.progress("simulate") as step:
        report = compare(chosen, policies, seed, step)
    if html is not None:
        html.write_text(_page(report, trace), "utf-8")
        output.say(f"Written to {html}.")
    if as_json:
        output.emit_json(_document(report))
    else:
        output.table(_rows(report), COLUMNS)
        if OURS in policies:
            typer.echo()
            output.table(_verdicts(report), TARGETS)
    if strict and any(target.kept is False for target in report.targets):
        raise Failure(
            "The scheduler misses a figure that it is held to.",
            "docs/concepts/simulation.md says what each one means.",
            "Look at the table above, and at the plots of --html FILE.",
        )


def _chosen(names: list[str], trace: Path | None) -> "list[Scenario]":
    from puyun.sim.tiers.scenarios import SCENARIOS, recorded
    from puyun.sim.trace import recorded as read

    known = dict(SCENARIOS)
    if trace is not None:
        try:
            known["trace"] = recorded(read(trace.read_text("utf-8").splitlines()))
        except (KeyError, ValueError) as error:
            raise usage(
                f"{trace} is no trace: {error}.", "a CSV with TIMESTAMP, ContextTokens, GeneratedTokens"
            ) from None
    for name in names:
        if name not in known:
            raise not_found("scenario", name, f"They are: {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)] or list(known.values())


def _page(report: "Report", trace: Path | None) -> str:
    from importlib.resources import files

    from puyun.sim.report.page import page

    sheets = files("puyun.web") / "static" / "css"
    style = "\n".join((sheets / f"{name}.css").read_text("utf-8") for name in ("tokens", "base", "components"))
    return page(report, style=style, source=trace.name if trace else "")


def _rows(report: "Report") -> list[dict[str, object]]:
    from puyun.sim.report.page import share, time

    return [
        {
            "scenario": run.scenario if place == 0 else "",
            "policy": run.policy if place == 0 else "",
            "tier": tier.tier.value,
            "served": share(tier.done_ppm),
            "p50": time(tier.wait_p50) if tier.served else "never",
            "p99": time(tier.wait_p99) if tier.served else "",
            "longest": time(tier.wait_max) if tier.served else "",
            "seats": share(tier.seats_ppm),
            "jain": f"{tier.jain_ppm / 1_000_000:.3f}" if len(tier.shares) > 1 else "",
            "use": share(run.use_ppm) if place == 0 else "",
            "idle": f"{run.violations:,}" if place == 0 else "",
        }
        for told in report.scenarios
        for run in told.runs
        for place, tier in enumerate(run.tiers)
    ]


def _verdicts(report: "Report") -> list[dict[str, object]]:
    return [
        {
            "number": str(target.number),
            "what": target.what,
            "wanted": target.wanted,
            "found": target.found,
            "verdict": _VERDICTS[target.kept],
        }
        for target in sorted(report.targets, key=lambda target: target.number)
    ]


def _document(report: "Report") -> object:
    """All figures; what is drawn over time is in the page alone."""
    import msgspec

    document = msgspec.to_builtins(report)
    for told in document["scenarios"]:
        for run in told["runs"]:
            del run["series"]
    return document
