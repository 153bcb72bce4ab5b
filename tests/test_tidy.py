"""House rules that a linter does not know: sizes, words, and where the dangerous constructs may stand.

A rule that a review states twice is written down here. The exceptions are named, each with its reason.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import puyun

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "puyun"
TESTS = ROOT / "tests"

FILE_MAX = 400
TEST_FILE_MAX = 600
FUNCTION_MAX = 60
POSITIONAL_MAX = 5
MODULES_MAX = 12

DATA = {"src/puyun/storage/migrations"}
"""A migration is as long as what it migrates."""

FETCHED = {"bench/build", "bench/peers"}
"""Not ours, and not in the repository."""

DOMAINS = (
    "kit",
    "protocol",
    "providers",
    "ledger",
    "identity",
    "catalog",
    "limits",
    "metering",
    "notices",
    "planning",
    "pricing",
    "scheduler",
    "service",
)

MONEY = (
    "src/puyun/kit/money.py",
    "src/puyun/ledger",
    "src/puyun/metering",
    "src/puyun/pricing",
    "src/puyun/storage/audit.py",
    "src/puyun/storage/checks",
    "src/puyun/storage/money",
    "src/puyun/storage/papers",
    "src/puyun/cli/ledger",
    "src/puyun/storage/ledger/batch.py",
    "src/puyun/storage/prices.py",
    "src/puyun/storage/receipts.py",
    "src/puyun/storage/reports",
    "src/puyun/storage/usage.py",
    "src/puyun/storage/wallets.py",
    "src/puyun/cli/money.py",
    "src/puyun/cli/prices",
    "src/puyun/cli/reports",
)
"""Where amounts are worked out: no float may come near them."""

BOUNDARIES = {
    ("src/puyun/cli/app.py", "run"): "a person gets a sentence and an exit code, never a traceback",
    (
        "src/puyun/gateway/serving.py",
        "serve",
    ): "one call's bug must answer 500, free the hold, and spare the other calls",
    ("src/puyun/jobs/notify/delivering.py", "_outcome"): "one endpoint's surprise must not stop deliveries to others",
    ("src/puyun/storage/ledger/writer.py", "_commit"): "without its thread no call can be paid; the broken one is free",
    (
        "src/puyun/storage/ledger/writer.py",
        "_run",
    ): "when the thread ends in spite of that, nobody may be left waiting for it",
}
"""Functions that may catch everything and go on. One that ends by raising again is a clean-up and needs no entry."""

TASKS = {
    "src/puyun/gateway/front.py": "one task a call; the connection keeps it until it is done",
    "src/puyun/jobs/notify/delivering.py": "one task a delivery, in a group that ends with the job",
    "src/puyun/localmodel/supervisor.py": "the child's supervision, cancelled by stop",
    "src/puyun/mockupstream/server.py": "one task a call, kept until it is done",
    "src/puyun/wiring/listener.py": "one task a newcomer, kept until it is inside",
    "src/puyun/wiring/gateway.py": "background jobs, cancelled when the server stops",
}
"""Files that may start tasks: each keeps them and ends them."""

FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "misc", "common", "manager", "managers", "base", "core"}
BANNED_WORDS = {
    "customer",  # organization
    "team",  # organization
    "channel",  # provider, deployment
    "flavour",  # dialect
    "backend",  # deployment, target
    "preconsume",  # hold
    "recharge",  # top-up
    "spend",  # usage, charge
    "helper",
    "manager",
    "utils",
    "misc",
}
"""Words of GLOSSARY.md's right column that no identifier contains."""


def python_files(folder: Path) -> Iterator[tuple[str, ast.Module]]:
    """Every Python file below a folder that was written by hand: its path from the root, and its tree."""
    for path in sorted(folder.rglob("*.py")):
        place = str(path.relative_to(ROOT))
        if not within(place, FETCHED):
            yield place, ast.parse(path.read_text("utf-8"))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def within(path: str, places: tuple[str, ...] | set[str] | dict[str, str]) -> bool:
    return any(path == place or path.startswith(place + "/") for place in places)


SOURCES = list(python_files(SRC))
TEST_SOURCES = [*python_files(TESTS), *python_files(ROOT / "bench")]


def test_files_fit_in_a_head() -> None:
    def too_long(files: list[tuple[str, ast.Module]], most: int) -> list[str]:
        lengths = {path: (ROOT / path).read_bytes().count(b"\n") for path, _ in files if not within(path, DATA)}
        return [f"{path}: {length} lines, at most {most}" for path, length in lengths.items() if length > most]

    assert too_long(SOURCES, FILE_MAX) + too_long(TEST_SOURCES, TEST_FILE_MAX) == []


def test_functions_fit_on_a_screen() -> None:
    found = [
        f"{path}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_MAX}"
        for path, tree in SOURCES + TEST_SOURCES
        if not within(path, DATA)
        for node in functions(tree)
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_MAX
    ]
    assert found == []


def test_functions_take_few_arguments_by_position() -> None:
    """Tests aside: their arguments are fixtures and the columns of a table, passed by name."""
    found: list[str] = []
    for path, tree in SOURCES:
        for node in functions(tree):
            names = [argument.arg for argument in node.args.posonlyargs + node.args.args]
            given = [name for name in names if name not in {"self", "cls"}]
            if len(given) > POSITIONAL_MAX:
                found.append(f"{path}:{node.lineno}: {node.name} takes {len(given)}, at most {POSITIONAL_MAX}")
    assert found == []


def test_packages_are_small() -> None:
    folders = [SRC, *(folder for folder in SRC.rglob("*") if folder.is_dir() and not folder.name.startswith("__"))]
    sizes = {folder: len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) for folder in folders}
    found = [
        f"{folder.relative_to(ROOT)}: {size} modules, at most {MODULES_MAX}"
        for folder, size in sizes.items()
        if size > MODULES_MAX and "versions" not in folder.parts
    ]
    assert found == []


def floats(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Where a float is named, written, or made by a true division."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "float":
            yield node.lineno, "float"
        elif isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node.lineno, str(node.value)
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield node.lineno, "a true division"


def test_money_knows_no_floats() -> None:
    found = [f"{path}:{line}: {what}" for path, tree in SOURCES if within(path, MONEY) for line, what in floats(tree)]
    assert found == []


def test_every_float_would_be_found() -> None:
    tree = ast.parse("a: float = 1\nb = 0.5\nc = float(a)\nd = a / b\nd /= 2\ne = 1e9\nf = '0.5'  # 0.5\ng = a // 2\n")
    assert [line for line, _ in sorted(floats(tree))] == [1, 2, 3, 4, 5, 6]


def local_imports(tree: ast.Module) -> Iterator[int]:
    for node in functions(tree):
        yield from (inner.lineno for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom))


def test_imports_stand_at_the_top() -> None:
    """The command line aside: `puyun balance` must not wait for a web server to be imported."""
    files = [file for file in SOURCES + TEST_SOURCES if not file[0].startswith("src/puyun/cli/")]
    assert [f"{path}:{line}" for path, tree in files for line in sorted(set(local_imports(tree)))] == []


def broad_handlers(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Handlers that catch everything and do not raise again: (function, line)."""
    for function in functions(tree):
        for node in ast.walk(function):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = "everything" if node.type is None else ast.unparse(node.type)
            last = node.body[-1]
            raises = isinstance(last, ast.Raise) and last.exc is None
            if not raises and re.search(r"\b(everything|Exception|BaseException)\b", caught):
                yield function.name, node.lineno


def test_everything_is_caught_at_named_boundaries_alone() -> None:
    found = {(path, name): line for path, tree in SOURCES for name, line in broad_handlers(tree)}
    assert [f"{place}:{line}: {name}" for (place, name), line in found.items() if (place, name) not in BOUNDARIES] == []
    assert [place for place in BOUNDARIES if place not in found] == [], "a boundary that is none any more"


def test_every_broad_handler_would_be_found() -> None:
    shapes = ("except:", "except Exception:", "except BaseException as e:", "except (ValueError, Exception):")
    for shape in shapes:
        assert list(broad_handlers(ast.parse(f"def f():\n try: ...\n {shape}\n  g()\n"))) == [("f", 3)]
        assert list(broad_handlers(ast.parse(f"def f():\n try: ...\n {shape}\n  g()\n  raise\n"))) == []


def test_tasks_are_started_where_they_are_kept() -> None:
    starters = {"create_task", "ensure_future", "run_coroutine_threadsafe"}
    found = {
        path: node.lineno
        for path, tree in SOURCES
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in starters)
        or (isinstance(node, ast.Name) and node.id in starters)
    }
    assert [f"{path}:{line}" for path, line in found.items() if path not in TASKS] == []
    assert [path for path in TASKS if path not in found] == [], "a file that starts no tasks any more"


def test_every_package_says_what_it_owns() -> None:
    silent = [path for path, tree in SOURCES if path.endswith("__init__.py") and not ast.get_docstring(tree)]
    assert silent == []


def test_every_module_says_what_it_is_about() -> None:
    silent = [path for path, tree in SOURCES if not within(path, DATA) and not ast.get_docstring(tree)]
    assert silent == []


def test_every_domain_numbers_its_invariants() -> None:
    for name in DOMAINS:
        if name == "kit":
            continue  # four modules, each with its rules in its own docstring
        readme = SRC / name / "README.md"
        assert readme.is_file(), readme
        assert re.search(r"^- \*\*[A-Z]+1\*\* ", readme.read_text("utf-8"), re.MULTILINE), f"{readme}: no numbers"


def test_names_say_what_is_inside() -> None:
    paths = [Path(path) for path, _ in SOURCES + TEST_SOURCES]
    found = [
        str(path)
        for path in paths
        if path.stem.removeprefix("test_") in FORBIDDEN_NAMES
        or path.parent.name in FORBIDDEN_NAMES
        or re.search(r"_v\d+$|_new$|_old$", path.stem)
    ]
    assert found == []


def identifiers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name


def test_identifiers_use_the_words_of_the_glossary() -> None:
    found = [
        f"{path}:{line}: {name}"
        for path, tree in SOURCES
        for line, name in identifiers(tree)
        if {word.lower().removesuffix("s") for word in re.findall(r"[A-Z]?[a-z]+", name)} & BANNED_WORDS
    ]
    assert found == []


def test_what_is_silenced_says_why() -> None:
    marks = re.compile(r"# (noqa|pyright: ignore|type: ignore)")
    reasoned = re.compile(r"# (noqa: [A-Z0-9, ]+|pyright: ignore\[[A-Za-z, ]+\]) - \S")
    found = [
        f"{path}:{number}"
        for path, _ in SOURCES
        for number, line in enumerate((ROOT / path).read_text("utf-8").splitlines(), 1)
        if marks.search(line) and not reasoned.search(line)
    ]
    assert found == []


def test_unit_tests_stand_where_their_module_does() -> None:
    """`tests/unit/ledger/test_book.py`, or `test_book_limits.py`, tests `puyun/ledger/book.py`, or a module of that name
    further down, or a document.
    """
    found: list[str] = []
    for path in sorted((TESTS / "unit").rglob("test_*.py")):
        package = path.parent.relative_to(TESTS / "unit")
        places = [ROOT / "bench"] if package.name == "bench" else [SRC / package, ROOT / "docs"]
        modules = {module.stem for place in places for module in place.rglob("*") if module.suffix in {"", ".py"}}
        name = path.stem.removeprefix("test_")
        if not any(name == module or name.startswith(f"{module}_") for module in modules):
            found.append(str(path.relative_to(ROOT)))
    assert found == []


def test_no_test_is_skipped_or_sleeps_and_hopes() -> None:
    marks = re.compile(r"pytest\.(skip|importorskip|xfail)|mark\.(skip|skipif|xfail)\b")
    found = [
        path for path, _ in TEST_SOURCES if path != "tests/test_tidy.py" and marks.search((ROOT / path).read_text())
    ]
    assert found == []


def anchors(text: str) -> set[str]:
    """The fragments by which headings of a Markdown file are linked."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_in_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *SRC.rglob("*.md")]
    found: list[str] = []
    for document in documents:
        text = re.sub(r"```.*?```", "", document.read_text("utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            place, _, fragment = target.partition("#")
            path = (document.parent / place).resolve() if place else document
            known = path.exists() and (not fragment or fragment in anchors(path.read_text("utf-8")))
            if not known:
                found.append(f"{document.relative_to(ROOT)}: {target}")
    assert found == []


def test_the_version_is_the_newest_in_the_changelog() -> None:
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert newest is not None
    assert newest[1] == puyun.__version__ == project["version"]


def test_locked_requirements_name_no_index_and_miss_no_hash() -> None:
    """DESIGN 10: any index will do, since the hashes say what may be installed."""
    for path in (ROOT / "requirements").glob("*.txt"):
        text = re.sub(r"^\s*#.*$", "", path.read_text("utf-8"), flags=re.MULTILINE)
        assert "://" not in text, path
        assert "index-url" not in text, path
        pinned = re.findall(r"^[A-Za-z0-9].*$", text, re.MULTILINE)
        assert pinned, path
        assert text.count("--hash=sha256:") >= len(pinned), path
