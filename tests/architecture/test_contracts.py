"""The rules of the house are tests: layers, who may import what, and how a module looks.

The contracts stand in pyproject.toml. That each of them bites is shown on a copy of the package with one wrong line.
"""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import oshiyakusho_matrix

PACKAGE = Path(oshiyakusho_matrix.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
LONGEST = 300

#: What a domain may import beside ``core``: no clock, no I/O, no logging.
PURE = {
    "__future__", "abc", "bisect", "collections", "dataclasses", "datetime", "enum", "fractions", "functools",
    "hashlib", "itertools", "math", "operator", "pydantic", "re", "string", "types", "typing", "unicodedata",
}  # fmt: skip

#: Wrong lines: the module, what it must not import, and the contract that says so.
WRONG = [
    ("store.metadata", "oshiyakusho_matrix.outbox.interface", "Each floor"),
    ("roster.domain", "oshiyakusho_matrix.settings", "only the top reads settings"),
    ("outbox.interface", "nio", "Only homeserver/ imports nio"),
    ("divisions.domain", "aiohttp", "are pure"),
    ("core.ids", "sqlalchemy", "are pure"),
    ("study.service", "oshiyakusho_matrix.divisions.domain", "capabilities do not know each other"),
]


def test_the_contracts_are_kept() -> None:
    result = lint_imports(PACKAGE.parent)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("module", "wrong", "contract"), WRONG)
def test_each_contract_bites(module: str, wrong: str, contract: str, tmp_path: Path) -> None:
    package = copy_of_the_package(tmp_path)
    path = package.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(exist_ok=True)
    (path.parent / "__init__.py").touch()
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\nimport {wrong}\n")
    result = lint_imports(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    broken = " ".join(result.stdout.partition("Broken contracts")[2].split())
    assert f"oshiyakusho_matrix.{module} -> {wrong}" in broken, result.stdout
    assert contract in broken, result.stdout


def test_a_new_top_level_module_needs_a_floor(tmp_path: Path) -> None:
    (copy_of_the_package(tmp_path) / "helpers.py").touch()
    result = lint_imports(tmp_path)
    assert result.returncode == 1
    assert "- oshiyakusho_matrix.helpers" in result.stdout


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_says_why_it_exists_and_stays_short(module: Path) -> None:
    source = (PACKAGE / module).read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source)), f"{module} has no docstring"
    assert len(source.splitlines()) <= LONGEST, f"{module} is longer than {LONGEST} lines"


@pytest.mark.parametrize("module", [module for module in MODULES if module.name == "domain.py"], ids=str)
def test_a_domain_imports_nothing_that_acts(module: Path) -> None:
    for name in imported(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        pure = name.split(".")[0] in PURE or name.startswith("oshiyakusho_matrix.core") or name in own_domain(module)
        assert pure, f"{module} imports {name}"


def copy_of_the_package(directory: Path) -> Path:
    """Copy the package and its contracts, to put one wrong line into the copy."""
    shutil.copytree(PACKAGE, directory / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACKAGE.parent / "pyproject.toml", directory)
    return directory / PACKAGE.name


def own_domain(module: Path) -> set[str]:
    """A domain that grew may stand in several ``domain_*.py`` beside it."""
    package = ".".join(("oshiyakusho_matrix", *module.parent.parts))
    return {f"{package}.{path.stem}" for path in (PACKAGE / module.parent).glob("domain*.py")}


def imported(tree: ast.Module) -> set[str]:
    """Return the full names of all modules that a module imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return names


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package in ``directory``."""
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--config", str(directory / "pyproject.toml")],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
