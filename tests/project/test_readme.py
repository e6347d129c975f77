"""The README says what is so: line counts, links, commands."""

import re

import generated
import pytest
from house import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize(("name", "stated"), re.findall(r"\| `(autograd_lite/\w+\.py)` \| (\d+) \|", README))
def test_line_counts(name, stated):
    """Within 5 %."""
    lines = len((ROOT / name).read_text(encoding="utf-8").splitlines())
    assert abs(lines - int(stated)) <= 0.05 * lines


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    """Every relative link and picture exists, or is a page that the site makes."""
    made = {(ROOT / "docs" / name).resolve() for name in generated.pages()}
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
        if not target.startswith("http"):
            assert (page.parent / target).exists() or (page.parent / target).resolve() in made, target


def test_every_demo_of_the_table_exists():
    """And every demo is in the table."""
    stated = set(re.findall(r"`demo (\w+)`", README)) - {"all"}
    ladder = re.findall(r'"(\w+)"', (ROOT / "demos" / "__init__.py").read_text(encoding="utf-8").split("LADDER")[-1])
    assert stated == set(ladder)


def test_nothing_is_left_to_fill_in():
    """No placeholder."""
    for page in PAGES:
        assert "PLACEHOLDER" not in page.read_text(encoding="utf-8")
