"""The package as a whole: what it imports and when, its types, its compiled module."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.resources
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import chainrule
from chainrule import _native

HEAVY = ["jax", "matplotlib", "pandas", "polars", "pyarrow", "rich", "scipy", "sklearn", "typer"]
SOURCES = sorted(Path(chainrule.__file__).parent.rglob("*.py"))


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_chainrule_imports_no_heavy_library() -> None:
    loaded = run("import sys, chainrule; print(*sys.modules)").split()
    assert "chainrule" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_the_installed_package_says_which_version_it_is() -> None:
    assert importlib.metadata.version("chainrule") == "0.1.0"


def test_the_package_is_typed_and_licensed() -> None:
    assert (importlib.resources.files("chainrule") / "py.typed").is_file()
    metadata = importlib.metadata.metadata("chainrule")
    assert metadata["License-Expression"] == "Apache-2.0"


def imports_in_functions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and module of each import that stands inside a function."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.ImportFrom):
                yield node.lineno, "." * node.level + (node.module or "")
            elif isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)


def is_own(module: str) -> bool:
    return module.split(".")[0] in ("chainrule", "")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_no_function_imports_our_own_code(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [found for found in imports_in_functions(tree) if is_own(found[1])] == []


def test_an_import_of_our_own_code_in_a_function_would_be_found() -> None:
    code = """
import chainrule

def f():
    from chainrule.ops import add
    from . import x
    import scipy
"""
    found = list(imports_in_functions(ast.parse(code)))
    assert [line for line, module in found if is_own(module)] == [5, 6]


def test_the_compiled_modules_stub_names_what_it_has() -> None:
    stub = importlib.resources.files("chainrule") / "_native.pyi"
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    named = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    named |= {
        node.target.id
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    assert named == {name for name in dir(_native) if not name.startswith("_")}


def test_opcodes_are_numbered_without_gaps() -> None:
    assert sorted(_native.opcodes().values()) == list(range(len(_native.opcodes())))
