"""What a posting template answers, in one line: the columns of the tables that hold the templates to their word."""

from puyun.ledger.command import Act, Post, Refused, Reserve

ACT = Act("k", by="ann", why="because")
NOBODY = Act("k")


def spelled(answer: object) -> str:
    """`topup k: processor:manual > wallet.paid 100`, `put aside 5`, `refused amount 0 of 9`."""
    match answer:
        case Post():
            lines = ", ".join(f"{line.debit} > {line.credit} {line.amount}" for line in answer.lines)
            released = f", {answer.released} returns" if answer.released else ""
            return f"{answer.entry} {answer.ref}: {lines}{released}"
        case Reserve(_, amount):
            return f"put aside {amount}"
        case Refused(reason, needed, available):
            return f"refused {reason} {needed} of {available}"
        case (Post() as post, rest):
            return f"{spelled(post)}; {rest.debt} of debt"
    raise AssertionError(answer)


def rows(table: str) -> list[tuple[list[str], str]]:
    """Each line of a table: what is asked, in words, and after the bar what is answered."""
    found: list[tuple[list[str], str]] = []
    for line in table.strip().splitlines():
        asked, _, answer = (part.strip() for part in line.partition("|"))
        found.append((asked.split(), answer))
    return found
