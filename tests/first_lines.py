"""What people of other libraries type first (`whole/typed`), and what comes of each line.

`python tests/first_lines.py` prints a table for the autograd_lite that is imported: with another version on PYTHONPATH, for
that one.
"""

import contextlib
import io
import os
import re
import tempfile
import warnings
from collections import Counter
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "whole" / "typed"

REMEDY = (
    r"\b(Use|Not needed|[Ww]rite|[Gg]ive|[Pp]ass|[Dd]efine|Apply|[Ss]et|Did you mean|Is a return|must return|"
    r"needs one number)\b"
)

WORKS, REMEDIED, OURS, OTHER = "works", "our error, with a remedy", "our error, without", "another error"


def people():
    """The libraries whose users' lines are kept."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def outcomes(who):
    """Run the lines in one namespace, as in one session: each with its outcome, and the error."""
    import autograd_lite as al

    names = {}
    for line in (FOLDER / f"{who}.txt").read_text(encoding="utf-8").split("#--"):
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                exec(compile(line, f"<{who}>", "exec"), names)  # noqa: S102 - the files beside this one
        except al.AutogradLiteError as error:
            yield line.strip(), REMEDIED if re.search(REMEDY, str(error)) else OURS, error
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            yield line.strip(), OTHER, error
        else:
            yield line.strip(), WORKS, None


def table():
    """The counts of each library as rows of Markdown."""
    kinds = (WORKS, REMEDIED, OURS, OTHER)
    rows = [f"| lines of | number | {' | '.join(kinds)} |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    total = Counter()
    for who in people():
        counts = Counter(kind for _, kind, _ in outcomes(who))
        total += counts
        rows.append(_row(who, counts, kinds))
    return "\n".join([*rows, _row("all", total, kinds)])


def _row(title, counts, kinds):
    return f"| {title} | {counts.total()} | {' | '.join(str(counts[kind]) for kind in kinds)} |"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        print(table())
