"""Metrics: pure functions of label maps and displacements; a unit is in the name."""

from fusemorph.metrics.dice import dice_per_label
from fusemorph.metrics.endpoint import endpoint_error_mm
from fusemorph.metrics.landmarks import tre_mm
from fusemorph.metrics.learn2reg import hd95_l2r_vox
from fusemorph.metrics.means import nan_mean
from fusemorph.metrics.regularity import folding_fraction, ndv_fraction, sd_log_jacobian, sdlogj_l2r
from fusemorph.metrics.segmentation import predicted_labels, segmentation_dice
from fusemorph.metrics.surface import surface_distances

__all__ = [
    "dice_per_label",
    "endpoint_error_mm",
    "folding_fraction",
    "hd95_l2r_vox",
    "nan_mean",
    "ndv_fraction",
    "predicted_labels",
    "sd_log_jacobian",
    "sdlogj_l2r",
    "segmentation_dice",
    "surface_distances",
    "tre_mm",
]
