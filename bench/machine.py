"""What a measurement was made on: processor, instruction set, cores, versions, and its peak."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

PEAK = Path(__file__).parent / "peak.cpp"


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe() -> dict[str, Any]:
    """The machine as data."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "vectors": _vectors(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d"),
    }


def _cpuinfo() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    pairs = [line.split(":", 1) for line in lines if ":" in line]
    return {key.strip(): value.strip() for key, value in reversed(pairs)}


def _processor() -> str:
    found = _cpuinfo()
    model = found.get("model name") or platform.processor() or "unknown processor"
    family = found.get("cpu family")
    return f"{model} (family {family}, model {found['model']})" if family else model


def _vectors() -> str:
    flags = _cpuinfo().get("flags", "").split()
    known = {"avx2": "AVX2", "avx512f": "AVX-512", "amx_bf16": "AMX-bf16", "asimd": "NEON"}
    return ", ".join(name for flag, name in known.items() if flag in flags) or "none known"


def peak(threads: int) -> dict[str, Any]:
    """Gigaflops of fused multiply-adds in float32: by a small program, or by NumPy's matrix product."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            program = str(Path(folder) / "peak")
            compiler = os.environ.get("CXX", "c++")
            flags = ["-O2", "-std=c++20", "-march=native", "-pthread"]
            subprocess.run(
                [compiler, *flags, str(PEAK), "-o", program], check=True, capture_output=True
            )
            done = subprocess.run(
                [program, str(threads)], check=True, capture_output=True, text=True
            )
        return {"gigaflops": float(done.stdout), "by": "independent fused multiply-adds"}
    except (OSError, subprocess.CalledProcessError):
        return {"gigaflops": _product(), "by": "NumPy's matrix product, no compiler being there"}


def _product(n: int = 2048) -> float:
    import numpy as np

    a = np.ones((n, n), np.float32)
    best = min(_timed(lambda: a @ a) for _ in range(5))
    return 2 * n**3 / best / 1e9


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
