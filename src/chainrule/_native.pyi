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
def shuffle(generator: Any, rows: NDArray[np.int64]) -> None: ...

testing: ModuleType  # kernels by themselves, for tests

class Plan32:
    def __init__(
        self,
        spaces: list[tuple[str, int, int]],
        instructions: list[tuple[Any, ...]],
        batch_size: int,
    ) -> None: ...
    def write(self, buffer: int, values: NDArray[Any]) -> None: ...
    def read(self, wanted: list[tuple[int, int, NDArray[Any]]]) -> None: ...
    def run(
        self,
        rows: list[tuple[int, NDArray[Any]]],
        columns: list[tuple[int, NDArray[Any]]],
        orders: NDArray[np.int64],
        batch_size: int,
        first: int,
        last: int,
        summed: list[int],
        sums: list[float],
        wanted: list[tuple[int, NDArray[Any]]],
        kept: bool,
        threads: int,
        interruptible: bool,
    ) -> list[float]: ...

class Plan64(Plan32): ...  # the same for float64

def default_threads() -> int: ...
