"""The demos: a ladder from one derivative upward, one idea per file. Read them in the order of `LADDER`.

    python -m autograd_lite demo              what there is
    python -m autograd_lite demo xor          one of them: prints, draws into out/xor/, checks itself
    python -m autograd_lite demo all          all of them, and the page out/index.html

A demo is a module with a docstring (a title, the problem in ASCII maths, what will be seen, a source), functions for
the model, the run and the report, and

    def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report

`out` is the folder for its pictures; `seed` settles whatever is random; `quick` asks for a setting of a few seconds
in which every check still holds. A demo of images takes `data` and `download` too (see `data.py`). The `Report` (see
`common.py`) holds the numbers that were printed, the pictures, and what failed: `report.ok` decides the exit code. A
demo imports the library by its public names only.

To add a rung: write the file, put its name where a reader should meet it, add its row to docs/demos.md and its known
answers to tests/project/test_demos.py.
"""

LADDER = (
    "worked_example", "chain_rule", "gradient_tape", "activations", "layers", "perceptron", "xor_one_sample", "neuron",
    "losses", "vanishing_gradient", "dead_relu", "leaky_relu", "himmelblau", "compiled", "xor", "two_moons", "mnist",
    "fashion", "microgpt",
)  # fmt: skip
