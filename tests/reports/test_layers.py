"""How the modules of reports build on each other; import-linter holds the directions, this what it cannot."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import reports

ROOT = Path(reports.__file__).parents[1]
LONGEST_CHAIN = 9


def modules() -> dict[str, Path]:
    paths = (ROOT / "reports").rglob("*.py")
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imports(path: Path, known_modules: dict[str, Path]) -> set[str]:
    """Modules of reports that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in known_modules:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= submodules & set(known_modules) or {node.module}
    return found


def longest_chain() -> tuple[str, ...]:
    known_modules = modules()

    @cache
    def chain(module: str) -> tuple[str, ...]:
        below = (chain(imported) for imported in imports(known_modules[module], known_modules) - {module})
        return (module, *max(below, key=len, default=()))

    return max(map(chain, known_modules), key=len)


def test_no_chain_of_imports_is_longer_than_nine() -> None:
    assert len(longest_chain()) <= LONGEST_CHAIN, longest_chain()


def test_at_most_a_dozen_modules_lie_directly_in_reports() -> None:
    assert len(list((ROOT / "reports").glob("*.py"))) <= 12


def printed(code: str) -> str:
    """What a fresh process prints that runs the code."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()


def test_what_computes_imports_neither_torch_nor_matplotlib() -> None:
    computing = [name for name in modules() if name.startswith(("reports.records", "reports.statistics"))]
    computing += [name for name in modules() if name.startswith(("reports.analysis", "reports.tables"))]
    code = f"import sys, {', '.join(computing)}; print([m for m in ('torch', 'matplotlib') if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert run.stdout.strip() == "[]"


def test_the_whole_of_reports_imports_no_torch() -> None:
    code = f"import sys, {', '.join(sorted(modules()))}; print('torch' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert run.stdout.strip() == "False"
