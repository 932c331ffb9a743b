"""The contract of a stage operator.

An operator is a file of ``fusemorph/fusion/operators`` that declares ``SYMBOL`` (one letter), ``READS`` (which of
``joint``, ``fixed``, ``moving`` it uses) and one public subclass of ``nn.Module``. Adding one is adding such a file;
``tests/contracts`` then covers it.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor, nn

from fusemorph.catalogue import OPERATORS, load_entry
from fusemorph.fusion.plan import vocabulary

Granularity = Literal["scalar", "channel", "voxel", "voxel_channel"]
Normalisation = Literal["softmax", "sigmoid"]


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """How Fusion Gates weigh the joint against the single-image feature; the defaults are the paper's.

    ``granularity``: the logits are averaged over the axes that it drops, so every choice has the same parameters.
    ``normalisation``: weights that sum to one (``softmax``), or two independent ``sigmoid`` weights.
    ``initial_bias``: half the initial logit of joint over single; None draws the biases as a convolution does.
    ``hard``: pick one feature: by straight-through Gumbel noise where a generator is given, by argmax without.
    """

    granularity: Granularity = "voxel_channel"
    normalisation: Normalisation = "softmax"
    temperature: float = 1.0
    initial_bias: float | None = None
    hard: bool = False

    def __post_init__(self) -> None:
        for name, kinds in (("granularity", Granularity), ("normalisation", Normalisation)):
            if getattr(self, name) not in kinds.__args__:  # type: ignore[attr-defined]
                raise ValueError(
                    f"GateSettings(): '{name}' must be one of {', '.join(kinds.__args__)}, "  # type: ignore[attr-defined]
                    f"got {getattr(self, name)!r}"
                )
        if not self.temperature > 0:
            raise ValueError(f"GateSettings(): 'temperature' must be positive, got {self.temperature}")


class Features(NamedTuple):
    """What the three paths offer at one stage; a path that the operator does not read is None.

    Shapes: joint ``(b, C, *s)``; fixed and moving ``(b, C / 2, *s)``.
    """

    joint: Tensor | None
    fixed: Tensor | None
    moving: Tensor | None


def build_operator(symbol: str, *, dims: int, channels: int, gate: GateSettings) -> nn.Module:
    """The operator of that symbol for features of ``channels`` channels.

    It is called as ``(features, generator=...)`` and returns the mixed feature ``(b, C, *s)`` and, for a gate, its
    ``GateWeights``, else None.
    """
    operator = load_entry(OPERATORS, vocabulary()[symbol].name, nn.Module)
    return operator(dims=dims, channels=channels, gate=gate)  # type: ignore[no-any-return]
