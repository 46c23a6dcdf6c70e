"""The house holds together: its layers, its words Pure and Shell, its sizes and its names."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.conftest import sendable

ROOT = Path(__file__).parent.parent
ROOMS = ("alerting", "api", "collector", "dashboards", "embedded", "influx", "opswatch", "telemetry")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py") if "migrations" not in path.parts)
# A room's own __init__ says what the room is; it holds no code, so it is neither.
CODE = [path for path in MODULES if path.name != "__init__.py"]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def kind_of(path: Path) -> str | None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    match = re.search(r"\b(Pure|Shell)\.", docstring.split("\n\n")[0])
    return match[1] if match else None


KINDS = {name_of(path): kind_of(path) for path in CODE}


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_every_module_says_whether_it_is_pure(path: Path) -> None:
    """A module's docstring begins with one sentence and the word Pure or Shell."""
    assert kind_of(path) in {"Pure", "Shell"}


@pytest.mark.parametrize("path", [path for path in CODE if kind_of(path) == "Pure"], ids=name_of)
def test_a_pure_module_imports_no_shell_module(path: Path) -> None:
    """What is pure stays pure: no import of ours leads it to I/O."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            imported |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}

    assert [name for name in imported if KINDS.get(name) == "Shell"] == []


IMPURE = {"asyncio", "socket", "sqlite3", "subprocess", "threading", "shutil", "tempfile", "psutil", "duckdb", "os"}


@pytest.mark.parametrize("path", [path for path in CODE if kind_of(path) == "Pure"], ids=name_of)
def test_a_pure_module_imports_nothing_that_does_input_or_output(path: Path) -> None:
    """Pure means no I/O, no clock, no environment: so none of the modules that do it."""
    tree = ast.parse(path.read_text())
    imported = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {
        (node.module or "").split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and not node.level
    }

    assert imported & IMPURE == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_longer_than_400_lines(path: Path) -> None:
    """When a module passes 400 lines, the design is asking for something."""
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_function_is_longer_than_50_lines(path: Path) -> None:
    """When a function passes 50 lines, the design is asking for something."""
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    long = [node.name for node in functions if (node.end_lineno or 0) - node.lineno + 1 > 50]
    # The wiring has a limit of its own, below.
    assert [name for name in long if (path.name, name) != ("wiring.py", "open_app")] == []


def test_the_wiring_fits_a_readers_head() -> None:
    """open_app chooses every adapter, in under 80 lines."""
    tree = ast.parse((ROOT / "opswatch" / "wiring.py").read_text())
    (open_app,) = [node for node in tree.body if isinstance(node, ast.AsyncFunctionDef) and node.name == "open_app"]

    assert (open_app.end_lineno or 0) - open_app.lineno < 80


@pytest.mark.parametrize("room", [*ROOMS, "infrastructure"])
def test_our_top_level_names_are_ours_alone(room: str) -> None:
    """No other distribution in this environment brings a package of the same name (decision 0001)."""
    assert set(packages_distributions().get(room, ["opswatch"])) == {"opswatch"}


def test_no_commit_names_a_registry_or_a_path_of_this_machine() -> None:
    """What is committed installs anywhere: no registry's host, no folder of whoever built it."""
    forbidden = re.compile(
        r"pypi\.org|pythonhosted|registry\.npmjs|/root/|/work/(?:main|tmp|shared)|--(?:extra-)?index-url\s+\S"
    )
    # `-c safe.directory` because CI may check out as another user.
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    texts = {
        name: (ROOT / name).read_bytes()
        for name in listing
        if (ROOT / name).is_file() and name != "tests/test_house.py"
    }

    assert [name for name, text in texts.items() if forbidden.search(text.decode("utf-8", "ignore"))] == []


def test_every_requirement_is_pinned_by_hash() -> None:
    """Each requirement names its version and at least one SHA-256."""
    for name in ("requirements.txt", "requirements-test.txt", "requirements-node.txt"):
        entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE).strip())
        for entry in entries:
            assert re.match(r"[A-Za-z0-9._-]+==\S+ ", entry), entry[:80]
            assert "--hash=sha256:" in entry


def test_the_command_line_starts_without_loading_the_stores() -> None:
    """`opswatch --help` is quick, because drivers are imported by the commands that need them."""
    code = "import sys, opswatch.cli.main; print(*(m for m in ('duckdb', 'sqlalchemy', 'aiohttp') if m in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == ""


def test_the_storys_test_files_are_there() -> None:
    """R158: the files that the story names, as far as their subject is built."""
    assert (ROOT / "tests" / "test_metrics_collection.py").is_file()
    assert (ROOT / "tests" / "test_health_checks.py").is_file()


def test_half_a_character_in_a_captured_log_reaches_the_runner() -> None:
    """Workers send their reports as UTF-8: what is no Unicode goes as an escape, all else as it is."""
    report = {"sections": [("log", "half \ud800 a character"), ("out", "ü")], "count": 1}

    assert sendable(report) == {"sections": [("log", "half \\ud800 a character"), ("out", "ü")], "count": 1}
