"""docs/performance.md tells the truth: every figure names the bench that repeats it, and every bench has its figure."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROWS = re.findall(
    r"^\| .+ \| (.+) \| \*\*[\d.]+[x ].* \| (.+) \| `(\w+)` \|$",
    (ROOT / "docs" / "performance.md").read_text(),
    re.MULTILINE,
)
BENCHES = {path.stem for path in (ROOT / "bench").glob("*.py") if "\ndef main() -> str:" in path.read_text()}


def test_every_figure_can_be_repeated() -> None:
    """By `python -m bench NAME`; and nothing is measured that nobody reads."""
    assert {bench for _, _, bench in ROWS} == BENCHES


def test_every_figure_says_its_bar_and_whether_it_is_met() -> None:
    """Design.md 11; a miss is called one."""
    assert [
        row for row in ROWS if not re.search(r"[≤≥>] ?\d|flat", row[0]) or not re.search("met|missed", row[1])
    ] == []
