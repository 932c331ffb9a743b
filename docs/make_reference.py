"""Make the reference from docstrings: ``python docs/make_reference.py [OUT]``, by default into ``docs/reference``.

By pdoc, offline; a warning ends it. Formulas (``$$ ... $$``) become MathML, which browsers show by themselves.
"""

import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import latex2mathml.converter
import pdoc
import pdoc.render

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import experiments  # noqa: E402

PACKAGES = ("fusemorph", "nas", "baselines", "experiments", "reports")
FORMULA = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
to_html: Callable[[str], str] = pdoc.render.env.filters["to_html"]


def main() -> None:
    """Write a page for each module, and the index."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "reference"
    warnings.simplefilter("error")
    warnings.filterwarnings("default", category=DeprecationWarning)  # of packages that are imported
    # pandas' stubs alone know what a Series holds.
    warnings.filterwarnings("ignore", r"Error parsing type annotation .*(pd\.Series|pd\.Index)\[")
    vars(experiments).update(
        {name: getattr(experiments, name) for name in experiments.__all__}
    )  # they come when asked for
    warnings.filterwarnings("ignore", "The module specification")  # of a module that its package names, too
    pdoc.render.configure(docformat="google", show_source=False, search=True)
    pdoc.render.env.filters["to_html"] = with_formulas
    pdoc.pdoc(*modules(), output_directory=out)
    print(out / "index.html")


def modules() -> list[str]:
    """Every module by its name: pdoc alone would leave out those that a package does not name in ``__all__``."""
    paths = [path.relative_to(ROOT) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    named = [path for path in paths if not path.stem.startswith("_") or path.name == "__init__.py"]
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in named]


def with_formulas(text: str) -> str:
    """Markdown as HTML, its formulas as MathML."""
    formulas: list[str] = []

    def keep(found: re.Match[str]) -> str:
        formulas.append(latex2mathml.converter.convert(" ".join(found[1].split()), display="block"))
        return f"FORMULA{len(formulas) - 1}END"

    html = to_html(FORMULA.sub(keep, text))
    return re.sub(r"FORMULA(\d+)END", lambda found: formulas[int(found[1])], html)


if __name__ == "__main__":
    main()
