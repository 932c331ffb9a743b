"""Losses, one a file; each is a function that returns a scalar. ``TrainingLoss`` weighs them into one."""

from fusemorph.losses.bending import bending
from fusemorph.losses.dice import focal, soft_dice
from fusemorph.losses.diffusion import diffusion
from fusemorph.losses.folding import folding
from fusemorph.losses.inverse_consistency import inverse_consistency
from fusemorph.losses.kl import kl
from fusemorph.losses.mse import mse
from fusemorph.losses.mutual_information import mutual_information
from fusemorph.losses.ncc import ncc
from fusemorph.losses.supervision import Supervision
from fusemorph.losses.training_loss import TrainingLoss, total

__all__ = [
    "Supervision", "TrainingLoss", "bending", "diffusion", "focal", "folding", "inverse_consistency", "kl", "mse",
    "mutual_information", "ncc", "soft_dice", "total",
]  # fmt: skip
