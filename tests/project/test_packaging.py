"""The long description, the versions that are named, and files for those who use or report: read, not built."""

import ast
import importlib.util
import re
import tomllib

import pytest
from house import ROOT

import autograd_lite as al

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


def long_description(readme, address):
    """The function of hatch_build.py, without hatchling."""
    tree = ast.parse((ROOT / "hatch_build.py").read_text(encoding="utf-8"))
    (function,) = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "long_description"]
    names = {"re": re}
    exec(compile(ast.Module([function], []), "hatch_build.py", "exec"), names)  # noqa: S102
    return names["long_description"](readme, address)


def targets(text):
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"\]\(([^)\s]+)", prose)


def test_the_long_description_has_absolute_links_once_there_is_a_place():
    """Links to pages, pictures as files; what leads within the page or elsewhere stays."""
    text = long_description(README, "https://example.org/al")
    assert [t for t in targets(text) if not t.startswith(("https://", "#"))] == []
    assert "https://example.org/al/raw/main/docs/pictures/sigmoid.svg" in targets(text)
    assert "https://example.org/al/blob/main/docs/design.md#the-house" in targets(text)
    assert text.count("badge.svg") == 2
    assert len(targets(text)) == len(targets(README)) + 4


def test_code_is_no_link():
    """`f[0](x)` in a block, an address of mail."""
    text = "# t\n```python\nfs[0](x)\n```\n[write](mailto:a@b.c) [read](docs/a.md)\n"
    assert "fs[0](x)" in long_description(text, "https://e.org")
    assert "(mailto:a@b.c) [read](https://e.org/blob/main/docs/a.md)" in long_description(text, "https://e.org")


def test_without_a_place_the_long_description_is_the_readme():
    """No badge, no link to nowhere; and none is configured today."""
    assert long_description(README, "") == README
    assert PROJECT["tool"]["hatch"]["metadata"]["hooks"]["custom"]["address"] == ""
    assert "badge" not in README


def test_the_long_description_of_a_build():
    """The hook fills the fields that pyproject.toml calls dynamic."""
    pytest.importorskip("hatchling")
    from hatchling.metadata.core import ProjectMetadata
    from hatchling.plugin.manager import PluginManager

    core = ProjectMetadata(str(ROOT), PluginManager()).core
    assert core.readme == README
    assert core.readme_content_type == "text/markdown"
    assert core.urls == {}


def test_versions_are_named_alike():
    """Classifiers, wheels, workflow and the least version; the citation has the version of the package."""
    named = {c.rpartition(" ")[2] for c in PROJECT["project"]["classifiers"] if re.search(r":: 3\.\d+$", c)}
    wheels = {f"3.{n}" for n in re.findall(r"cp3(\d+)-", PROJECT["tool"]["cibuildwheel"]["build"])}
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    tested = set(re.findall(r'"(3\.\d+)"', workflow.split("python:")[1].split("]")[0]))
    assert named == wheels == tested
    assert PROJECT["project"]["requires-python"] == f">={min(named, key=lambda v: int(v[2:]))}"
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {al.__version__}\n" in citation


def test_files_of_yaml_can_be_read():
    """Workflows, issue forms, the citation."""
    if importlib.util.find_spec("yaml") is None:
        pytest.skip("PyYAML is not installed")
    import yaml

    files = [*(ROOT / ".github").rglob("*.yml"), ROOT / "CITATION.cff"]
    assert len(files) >= 6
    for file in files:
        assert isinstance(yaml.safe_load(file.read_text(encoding="utf-8")), dict), file


def test_every_extra_of_the_readme_exists():
    """And each that a user needs is explained there."""
    extras = set(PROJECT["project"]["optional-dependencies"])
    named = {e for group in re.findall(r"\[([a-z,]+)\]'", README) for e in group.split(",")}
    assert named <= extras
    assert {"jit", "demos", "mnist", "all"} <= {*re.findall(r"`(\w+)`[:;]", README), *named}
