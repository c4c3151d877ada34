"""The programs in examples/ run as they stand, and come out right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


PRINTED = {  # what each program must print, among other things
    "in_place_of_scikit_learn.py": ["as scikit-learn's", "are linearly separable: epoch"],
    "own_bricks.py": ["the saved model predicts the same: True"],
    "see_the_work.py": ["contradicts: []", "the activation's slope g′(z) is left out"],
    "worked_example.py": ["0.764519", "0.920225", "0.381647", "0.071213", "-0.308104", "0.423935"],
}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_runs_and_prints_the_right_numbers(path: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for words in PRINTED.get(path.name, []):
        assert words in done.stdout
    assert not list(tmp_path.iterdir())


def test_the_examples_are_there() -> None:
    assert set(PRINTED) <= {path.name for path in EXAMPLES.glob("*.py")}
