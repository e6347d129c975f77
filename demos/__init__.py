"""The demos, one idea per file, from one derivative upward. Read them in the order of `LADDER`.

    python -m autograd_lite demo              lists the demos
    python -m autograd_lite demo xor          runs one: it prints, draws into out/xor/, and checks itself
    python -m autograd_lite demo all          runs all of them, and writes the page out/index.html

A demo is a module with a docstring (a title, the problem in ASCII maths, the expected results, a source), functions for
the model, the run and the report, and

    def main(out: Path, seed: int = 0, *, quick: bool = False) -> Report

`out` is the folder for its pictures; `seed` sets the random numbers; `quick` asks for a setting of a few seconds
in which every check still holds. A demo of images takes `data` and `download` too (see `data.py`). The `Report` (see
`common.py`) holds the printed numbers, the pictures, and the failures: `report.ok` decides the exit code. A
demo imports the library by its public names only.

To add a demo: write the file, put its name into `LADDER` at the place where a reader should meet it, add its row to
docs/demos.md and its known answers to tests/project/test_demos.py.
"""

LADDER = (
    "worked_example", "chain_rule", "gradient_tape", "activations", "layers", "perceptron", "xor_one_sample", "neuron",
    "losses", "vanishing_gradient", "dead_relu", "leaky_relu", "himmelblau", "logistic", "mixture", "compiled",
    "bratu", "mandelbrot", "inverse_kinematics", "double_pendulum", "cartpole", "nist", "kepler_fit", "yield_curve",
    "implied_volatility", "heston", "burgers", "xor", "two_moons", "mnist", "fashion", "microgpt",
)  # fmt: skip
