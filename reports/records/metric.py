"""The metrics that a study may be judged by: what they are called, their unit, and which way is better."""

from dataclasses import dataclass

from reports.records import NothingToReportError
from reports.wording import between, number


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A column of the pairs; ``digits`` is how many decimals of it mean something."""

    name: str
    title: str
    unit: str = ""
    higher_is_better: bool = False
    digits: int = 3

    @property
    def mean(self) -> str:
        """The column of an arm's mean over blocks, of which intervals, differences and figures are."""
        return f"{self.name}_blocks"

    @property
    def label(self) -> str:
        """The title with its unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def better(self) -> str:
        """The verdict of ``statistics.verdict`` that is good news for an arm."""
        return "higher" if self.higher_is_better else "lower"

    @property
    def worse(self) -> str:
        return "lower" if self.higher_is_better else "higher"

    @property
    def tail_quantile(self) -> float:
        """The quantile that three pairs in ten are worse than."""
        return 0.3 if self.higher_is_better else 0.7

    @property
    def tail(self) -> str:
        """The name of that quantile's column: ``dice30``, ``hd95_mm_70``."""
        return f"{self.name}{'' if self.name == 'dice' else '_'}{round(100 * self.tail_quantile)}"

    @property
    def resolution(self) -> float:
        """Half of the last decimal shown: means that are closer look the same."""
        return 0.5 * 10.0**-self.digits

    def number(self, value: float, *, signed: bool = False) -> str:
        return number(value, self.digits, signed=signed)

    def between(self, low: float, high: float, *, signed: bool = False) -> str:
        return between(low, high, self.digits, signed=signed)

    def amount(self, value: float, *, signed: bool = False) -> str:
        """The value with its unit and what it is: ``+0.012 Dice``, ``3.41 mm HD95``."""
        return " ".join([self.number(value, signed=signed), *([self.unit] if self.unit else []), self.title])


DICE = Metric(name="dice", title="Dice", higher_is_better=True)
METRICS_BY_NAME = {
    metric.name: metric
    for metric in (
        DICE,
        Metric(name="hd95_mm", title="HD95", unit="mm", digits=2),
        Metric(name="assd_mm", title="ASSD", unit="mm", digits=2),
        Metric(name="hd95_vox", title="HD95", unit="voxels", digits=2),
        Metric(name="hd95_l2r_vox", title="HD95 (L2R)", unit="voxels", digits=2),
        Metric(name="folding_fraction", title="folding fraction", digits=5),
        Metric(name="ndv_fraction", title="NDV fraction", digits=5),
        Metric(name="sd_log_jacobian", title="SD log J"),
        Metric(name="sdlogj_l2r", title="SD log J (L2R)"),
        Metric(name="endpoint_error_mm", title="endpoint error", unit="mm", digits=2),
        Metric(name="tre_mm", title="TRE", unit="mm", digits=2),
        Metric(name="tre_before_mm", title="TRE before registration", unit="mm", digits=2),
        Metric(name="segmentation_dice", title="segmentation Dice", higher_is_better=True),
    )
}


def metric_of(name: str) -> Metric:
    """The metric of that name.

    Raises:
        NothingToReportError: no metric is called so.
    """
    if name not in METRICS_BY_NAME:
        raise NothingToReportError(f"no metric named {name!r}; there are: {', '.join(METRICS_BY_NAME)}")
    return METRICS_BY_NAME[name]
