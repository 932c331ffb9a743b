"""Losses, one a file; each is a function that returns a scalar."""

from fusemorph.losses.bending import bending
from fusemorph.losses.dice import dice
from fusemorph.losses.diffusion import diffusion
from fusemorph.losses.folding import folding
from fusemorph.losses.kl import kl
from fusemorph.losses.mse import mse
from fusemorph.losses.mutual_information import mutual_information
from fusemorph.losses.ncc import ncc

__all__ = ["bending", "dice", "diffusion", "folding", "kl", "mse", "mutual_information", "ncc"]
