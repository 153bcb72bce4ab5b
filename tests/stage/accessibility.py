"""axe-core in a page: what it has against it, by the rules of WCAG 2.2 A and AA."""

from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page

AXE = Path(__file__).parent / "axe" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
COLOURS = ["color-contrast", "link-in-text-block"]
"""The rules that another theme can break."""

_RUN = """async (runOnly) => {
  const found = await axe.run(document, { runOnly, resultTypes: ["violations"] });
  return found.violations.flatMap((rule) => rule.nodes.map((node) => {
    const why = node.any.concat(node.all, node.none).map((check) => check.message).join("; ");
    return `${rule.id} at ${node.target.join(" ")}: ${why}`;
  }));
}"""


def with_axe(context: BrowserContext) -> None:
    """Every page of the context from now on has axe-core in it; a page's own policy does not forbid it to a debugger."""
    context.add_init_script(path=AXE)


def violations(page: Page, *, colours_only: bool = False) -> list[str]:
    """Each with its rule, the place in the page and the reason; empty is the aim."""
    only: dict[str, Any] = {"type": "rule", "values": COLOURS} if colours_only else {"type": "tag", "values": TAGS}
    return page.evaluate(_RUN, only)
