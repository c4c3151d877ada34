"""What importing the package costs."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("sklearn", "polars", "narwhals", "pandas", "pyarrow", "scipy", "urllib.request")


def loaded_after(program: str) -> set[str]:
    program += f"; import sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_no_heavy_library():
    assert loaded_after("import chainrule.data") == set()


def test_arrays_are_preprocessed_and_split_without_a_table_library():
    program = (
        "import numpy as np; from chainrule.data import Preprocessing, Target, validation_split; "
        "x = np.eye(9); Preprocessing.fit(x).transform(x); Target.fit([0, 1] * 5).encode([0]); "
        "validation_split(9, labels=np.arange(9) % 2, fraction=0.2)"
    )
    assert loaded_after(program) == set()
