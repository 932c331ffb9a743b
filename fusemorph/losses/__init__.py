"""Losses, one a file; each is a function that returns a scalar."""

from fusemorph.losses.folding import folding
from fusemorph.losses.kl import kl
from fusemorph.losses.ncc import ncc

__all__ = ["folding", "kl", "ncc"]
