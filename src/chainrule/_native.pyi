from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

def opcodes() -> dict[str, int]: ...
def chosen_isa() -> str: ...
def instruction_sets() -> list[str]: ...
def bfloat16_tiles() -> bool: ...
def words(seed: int, counter: int, stream: int, n: int) -> NDArray[np.uint32]: ...
def halves(seed: int, counter: int, stream: int, n: int) -> NDArray[np.uint16]: ...
def permutation(seed: int, counter: int, stream: int, n: int) -> NDArray[np.int64]: ...

testing: ModuleType  # kernels by themselves, for tests

class Plan32:
    def __init__(
        self,
        spaces: list[tuple[str, int, int]],
        instructions: list[tuple[Any, ...]],
        batch_size: int,
        assigned: list[int],
    ) -> None: ...
    def write(self, buffer: int, values: NDArray[Any]) -> None: ...
    def read(self, buffer: int, rows: int, columns: int) -> NDArray[np.float32]: ...
    def read_integers(self, buffer: int, rows: int) -> NDArray[np.int64]: ...
    def run(
        self,
        rows: list[tuple[int, NDArray[Any]]],
        columns: list[tuple[int, NDArray[Any]]],
        order: NDArray[np.int64],
        batch_size: int,
        first: int,
        last: int,
        summed: list[int],
        sums: list[float],
        kept: bool,
        threads: int,
        interruptible: bool,
    ) -> list[float]: ...

class Plan64:
    def __init__(
        self,
        spaces: list[tuple[str, int, int]],
        instructions: list[tuple[Any, ...]],
        batch_size: int,
        assigned: list[int],
    ) -> None: ...
    def write(self, buffer: int, values: NDArray[Any]) -> None: ...
    def read(self, buffer: int, rows: int, columns: int) -> NDArray[np.float64]: ...
    def read_integers(self, buffer: int, rows: int) -> NDArray[np.int64]: ...
    def run(
        self,
        rows: list[tuple[int, NDArray[Any]]],
        columns: list[tuple[int, NDArray[Any]]],
        order: NDArray[np.int64],
        batch_size: int,
        first: int,
        last: int,
        summed: list[int],
        sums: list[float],
        kept: bool,
        threads: int,
        interruptible: bool,
    ) -> list[float]: ...

def default_threads() -> int: ...
