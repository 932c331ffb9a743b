"""``torch.compile`` for training steps: which compilers there are, and whether one works here."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch

from fusemorph.configuration import Compiler

P = ParamSpec("P")
T = TypeVar("T")


def compiled(function: Callable[P, T], compiler: Compiler) -> Callable[P, T]:
    """The function as one graph of fixed shapes, with the random numbers that it draws when it is not compiled."""
    options: dict[str, Any] = {"options": {"fallback_random": True}} if compiler == "inductor" else {}
    return torch.compile(function, fullgraph=True, dynamic=False, backend=compiler, **options)


def try_compiler(compiler: Compiler, device: torch.device) -> None:
    """Compile and run a line of code on the device.

    Raises:
        RuntimeError: that does not work here; the message says why in one line.
    """
    try:
        compiled(lambda x: x.sin() + 1, compiler)(torch.ones(2, device=device))
    except Exception as error:  # compilers fail in ways of their own
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise RuntimeError(f"{compiler} does not work for {device} here: {lines[0] if lines else error!r}") from error
