"""Studies and what runs them: ``run_study`` from Python, ``python -m experiments.sweep`` from a terminal."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.study_run import StudyRun, run_study

__all__ = ["StudyRun", "run_study"]


def __getattr__(name: str) -> object:
    """Import torch and the rest when ``run_study`` is asked for, and not with each module of this package."""
    if name in __all__:
        return getattr(import_module("experiments.study_run"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
