"""How operators, data sets, methods and studies are found by name: one rule for all four.

An entry is a module with the entry's name that defines one object of its kind: a class, or for a study an instance.
Classes that it imports, or whose names begin with ``_``, do not count; a file whose name begins with ``_`` is no entry.
Entries come from three places, and no two of the same kind may share a name:

- this project's own packages, one for each kind;
- folders named by ``--entries DIR`` or by ``FUSEMORPH_ENTRIES`` (separated as in PATH): ``DIR/operators``,
  ``DIR/datasets``, ``DIR/methods`` and ``DIR/studies`` hold one entry a file; they import each other relatively;
- installed packages, through entry points of the groups ``fusemorph.operators``, ``fusemorph.datasets``,
  ``fusemorph.methods`` and ``fusemorph.studies``: ``NAME = "package.module"``.

Listing names imports no entry, and nothing here imports torch.
"""

import argparse
import hashlib
import os
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib import import_module, invalidate_caches
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from fusemorph.paths import path_argument

FOLDERS = "FUSEMORPH_ENTRIES"
ROOT = Path(__file__).parents[1]
OUTSIDE = "fusemorph_entries_"
"""How the names begin under which folders of entries are packages."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One of the four kinds of entries: its name in messages, its folder's name, and this project's package of them.

    ``elsewhere``: modules of entries that lie outside that package, by name.
    """

    name: str
    plural: str
    package: str
    elsewhere: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def group(self) -> str:
        """The group of entry points in which installed packages name theirs."""
        return f"fusemorph.{self.plural}"


OPERATORS = Kind(name="operator", plural="operators", package="fusemorph.fusion.operators")
DATASETS = Kind(name="data set", plural="datasets", package="fusemorph.data.datasets")
METHODS = Kind(
    name="method",
    plural="methods",
    package="baselines",
    elsewhere={
        "fusion": "fusemorph.fusion.method",
        "supernet": "nas.supernet",
        "fine_tuned": "nas.fine_tuned",
    },
)
STUDIES = Kind(name="study", plural="studies", package="experiments.studies")
KINDS = (OPERATORS, DATASETS, METHODS, STUDIES)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Where an entry was found.

    ``attribute``: the object in the module, where an entry point names it. ``installed``: name and version of the
    installed package that brings it; empty for a file of this project or of a folder.
    """

    name: str
    kind: Kind
    module: str
    attribute: str = ""
    installed: str = ""

    @property
    def file(self) -> Path:
        """The entry's file, found without running it.

        Raises:
            ValueError: there is no such module, or the package around it cannot be imported.
        """
        try:
            spec = find_spec(self.module)
        except Exception as error:
            raise ValueError(f"{self._called}: {self.module} {_not_imported(error)}") from error
        if spec is None or spec.origin is None:
            raise ValueError(f"{self._called}: there is no module {self.module}")
        return Path(spec.origin)

    @property
    def origin(self) -> str:
        """Where it comes from, for whoever reads a list: a file, from the root of this project where it lies there."""
        if self.installed:
            return f"{self.installed}, {self.module}"
        return str(self.file.relative_to(ROOT) if self.file.is_relative_to(ROOT) else self.file)

    @property
    def _called(self) -> str:
        return f"{self.kind.name} {self.name!r}" + (f" of {self.installed}" if self.installed else "")

    def __str__(self) -> str:
        return f"{self._called} ({self.file})"


def _not_imported(error: Exception) -> str:
    return f"cannot be imported: {type(error).__name__}: {error}"


def folders() -> tuple[Path, ...]:
    """The folders outside the project that are searched for entries."""
    return tuple(Path(entry) for entry in os.environ.get(FOLDERS, "").split(os.pathsep) if entry)


def add_folders(paths: Iterable[Path]) -> None:
    """Search these folders too, in this process and in those that it starts.

    Raises:
        ValueError: a folder that is not there, or holds none of the four folders of entries.
    """
    added = list(folders())
    for path in (path.expanduser().absolute() for path in paths):
        if not any((path / kind.plural).is_dir() for kind in KINDS):
            wanted = ", ".join(kind.plural for kind in KINDS)
            raise ValueError(f"--entries {path}: must be a folder that holds at least one of the folders {wanted}")
        if path not in added:
            added.append(path)
    os.environ[FOLDERS] = os.pathsep.join(map(str, added))


def look_again() -> None:
    """Search for entries anew, and import those of folders again when needed: a notebook writes and edits them."""
    invalidate_caches()
    _entries.cache_clear()
    _loaded.cache_clear()
    for name in [name for name in sys.modules if name.startswith(OUTSIDE) and "." in name]:
        del sys.modules[name]


def add_option(parser: argparse.ArgumentParser) -> None:
    """Give a command the option ``--entries DIR``, which may be repeated; ``add_folders`` takes what it collects."""
    wanted = "/, ".join(kind.plural for kind in KINDS)
    parser.add_argument(
        "--entries", action="append", default=[], type=path_argument, metavar="DIR",
        help=f"a folder of entries of your own, in {wanted}/; may be repeated",
    )  # fmt: skip


def entries(kind: Kind) -> Mapping[str, Entry]:
    """All entries of a kind by name, in the order of their names; none of them is imported.

    Raises:
        ValueError: two of one name; the message says where both are.
    """
    return _entries(kind, folders())


@cache
def _entries(kind: Kind, outside: tuple[Path, ...]) -> dict[str, Entry]:
    by_name: dict[str, Entry] = {}
    for entry in _all(kind, outside):
        if (other := by_name.setdefault(entry.name, entry)) != entry:
            raise ValueError(f"two entries of the same name: {other} and {entry}; rename one of them")
    return dict(sorted(by_name.items()))


def _all(kind: Kind, outside: tuple[Path, ...]) -> Iterator[Entry]:
    whole = (ROOT / "pyproject.toml").exists()  # the wheel holds fusemorph alone
    for name, module in kind.elsewhere.items():
        if module.startswith("fusemorph.") or whole:
            yield Entry(name=name, kind=kind, module=module)
    if kind.package.startswith("fusemorph.") or whole:
        yield from _files(kind, ROOT.joinpath(*kind.package.split(".")), package=kind.package)
    for folder in outside:
        yield from _files(kind, folder / kind.plural, package=f"{_as_package(folder)}.{kind.plural}")
    for point in entry_points(group=kind.group):
        installed = f"{point.dist.name} {point.dist.version}" if point.dist else "an installed package"
        yield Entry(name=point.name, kind=kind, module=point.module, attribute=point.attr, installed=installed)


def _files(kind: Kind, folder: Path, *, package: str) -> Iterator[Entry]:
    for module in pkgutil.iter_modules([str(folder)]):
        if not module.name.startswith("_"):
            yield Entry(name=module.name, kind=kind, module=f"{package}.{module.name}")


def _as_package(folder: Path) -> str:
    """Make the folder a package, with its folders in it, under a name that is the same in every process."""
    name = f"{OUTSIDE}{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return name


def find_entry(kind: Kind, name: str) -> Entry:
    """The entry of that name.

    Raises:
        ValueError: there is none; the message lists those that there are.
    """
    by_name = entries(kind)
    if name not in by_name:
        near = get_close_matches(name, by_name, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"unknown {kind.name} {name!r}; known: {', '.join(by_name)}{hint}")
    return by_name[name]


def load_entry(kind: Kind, name: str, contract: type | tuple[type, ...]) -> Any:
    """The object that the entry of that name defines: a subclass of the contract, or an instance of it.

    Raises:
        ValueError: no such entry, or its module cannot be imported, or defines none or several such objects, or calls
            the object otherwise; the message names the file.
    """
    return _loaded(find_entry(kind, name), contract)


@cache
def _loaded(entry: Entry, contract: type | tuple[type, ...]) -> Any:
    try:
        module = import_module(entry.module)
    except Exception as error:
        raise ValueError(f"{entry}: {_not_imported(error)}") from error
    objects = _objects(module, entry, contract)
    if len(objects) != 1:
        kinds = contract if isinstance(contract, tuple) else (contract,)
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(
            f"{entry}: must define exactly one {wanted}, got {len(objects)}; a file that is no entry needs a name that "
            "begins with _"
        )
    if getattr(objects[0], "name", entry.name) != entry.name:
        raise ValueError(f"{entry}: calls itself {objects[0].name!r}; the name must be that of the module")
    return objects[0]


def _objects(module: ModuleType, entry: Entry, contract: type | tuple[type, ...]) -> list[Any]:
    """The objects of the module that fulfil the contract; one with two names counts once."""
    if entry.attribute:
        value = getattr(module, entry.attribute, None)
        return [value] if _fulfils(value, contract) else []
    values = {id(value): value for name, value in vars(module).items() if not name.startswith("_")}
    return [
        value
        for value in values.values()
        if _fulfils(value, contract) and (not isinstance(value, type) or value.__module__ == module.__name__)
    ]


def _fulfils(value: object, contract: type | tuple[type, ...]) -> bool:
    return issubclass(value, contract) if isinstance(value, type) else isinstance(value, contract)
