"""The compiled module as it was built: what it is linked with, how large it is, what it needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from chainrule import _native

MODULE = Path(_native.__file__)
# The C and C++ libraries that every program of the system has.
KNOWN = ("linux-vdso", "libstdc++", "libc++", "libm", "libgcc_s", "libc", "libpthread", "ld-linux")


def output(*command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"this system has no {command[0]}")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_no_library_is_linked_but_those_of_every_system() -> None:
    lines = output("ldd", str(MODULE)).splitlines()
    names = [Path(line.split()[0]).name for line in lines if line.strip()]
    assert len(names) >= 2
    strangers = [
        name for name in names if not re.match(rf"({'|'.join(map(re.escape, KNOWN))})[.-]", name)
    ]
    assert not strangers


def test_the_module_is_below_five_megabytes() -> None:
    assert 100_000 < MODULE.stat().st_size < 5_000_000


def test_no_openmp_or_blas_function_is_called() -> None:
    called = output("nm", "--dynamic", "--undefined-only", str(MODULE))
    assert "PyModule" in called or "PyObject" in called
    assert not re.findall(r"\b(GOMP_|omp_|__kmpc_|cblas_|[sd]gemm|MKL_)\w*", called)
