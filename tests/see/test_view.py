"""A drawing as a file, in a notebook, in a page; and what `draw` refuses."""

import base64

import pytest
from pictures import V, neuron

import autograd_lite as al

# ------------------------------------------------------------------------------------------------ files and notebooks


def test_save(tmp_path):
    """The suffix says as what; the path comes back."""
    view = al.draw(neuron())
    assert view.save(tmp_path / "g.svg") == tmp_path / "g.svg"
    assert (tmp_path / "g.svg").read_text(encoding="utf-8") == view.svg
    assert view.save(str(tmp_path / "g.PNG")).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    for name in ("g.dot", "g.gv"):
        assert view.save(tmp_path / name).read_bytes() == view.source.encode()


@pytest.mark.parametrize(("name", "suffix"), [("g.eps", ".eps"), ("g", "")])
def test_save_with_another_suffix(tmp_path, name, suffix):
    """Refused before anything is written."""
    with pytest.raises(al.ArgumentError) as caught:
        al.draw(neuron()).save(tmp_path / name)
    assert str(caught.value) == (
        f"cannot save as {name!r}: its suffix is {suffix!r}. Give the file one of .svg, .png, .pdf, .html, .dot, .gv."
    )
    assert not list(tmp_path.iterdir())


def test_save_where_nothing_can_be_written(tmp_path):
    """A folder that does not exist, and a folder where a file should be."""
    (tmp_path / "folder.svg").mkdir()
    for path in (tmp_path / "none" / "g.svg", tmp_path / "folder.svg"):
        with pytest.raises(al.DrawingError) as caught:
            al.draw(neuron()).save(path)
        assert str(caught.value).startswith(f"cannot write {str(path)!r}: ")
        assert str(caught.value).endswith(". Choose a folder that exists and may be written to.")


def test_notebook():
    """SVG, an image that is shown in untrusted notebooks too, and words."""
    view = al.draw(neuron())
    bundle = view._repr_mimebundle_()
    assert set(bundle) == {"image/svg+xml", "text/html", "text/plain"}
    assert bundle["image/svg+xml"] == view.svg
    assert bundle["text/plain"] == "Drawing(10 nodes, 9 edges)"
    before, encoded = bundle["text/html"].removesuffix('">').split("base64,")
    assert before == '<img alt="Drawing(10 nodes, 9 edges)" src="data:image/svg+xml;'
    assert base64.b64decode(encoded).decode() == view.svg
    assert set(view._repr_mimebundle_(include=["text/plain", "image/png"])) == {"text/plain"}
    assert set(view._repr_mimebundle_(exclude=["text/html"])) == {"image/svg+xml", "text/plain"}


def test_svg_can_be_pasted_into_a_page():
    """No XML declaration, no DOCTYPE, no script, no address but the names of the two XML vocabularies."""
    svg = al.draw(neuron()).svg
    assert svg.startswith("<svg ")
    assert svg.rstrip().endswith("</svg>")
    assert "<script" not in svg
    assert svg.count("http") == 2


# ------------------------------------------------------------------------------------------------------------ arguments


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"depth": -1}, "depth=-1; give a whole number from 0, or None for no limit."),
        ({"depth": 1.5}, "depth=1.5; give a whole number from 0, or None for no limit."),
        ({"max_nodes": 0}, "max_nodes=0; give a whole number from 1, or None for no limit."),
        ({"rankdir": "up"}, "rankdir='up'; give one of LR, RL, TB, BT."),
    ],
)
def test_wrong_arguments(keywords, message):
    """Each says its value and what would do."""
    with pytest.raises(al.ArgumentError) as caught:
        al.draw(V(1.0), **keywords)
    assert str(caught.value) == message


def test_wrong_outputs():
    """What is no Variable is named."""
    with pytest.raises(al.OperandError, match=r"^draw got 3\.0, a float; give it a Variable or a list of Variables\.$"):
        al.draw(3.0)
    with pytest.raises(al.OperandError, match=r"^draw got 2\.0, a float, in its list; give it Variables only\.$"):
        al.draw([V(1.0), 2.0])
    with pytest.raises(
        al.OperandError, match=r"^gradients=4\.0 is a float; give a mapping such as al\.gradients\(y\)\.$"
    ):
        al.draw(V(1.0), gradients=4.0)
    with pytest.raises(al.OperandError, match=r"^engine=5 is a int; give the name or path of a program\.$"):
        al.draw(V(1.0), engine=5)
    with pytest.raises(al.ArgumentError, match=r"^draw got an empty list; give it at least one Variable\.$"):
        al.draw([])
