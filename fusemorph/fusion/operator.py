"""The contract of a stage operator.

An operator is a file of ``fusemorph/fusion/operators`` that declares ``SYMBOL`` (one letter), ``READS`` (which of
``joint``, ``fixed``, ``moving`` it uses) and one public subclass of ``nn.Module``; a gate also declares ``WEIGHS``, its
candidates. To add an operator, add such a file; ``tests/contracts`` then covers it.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from torch import Tensor, nn

from fusemorph.catalogue import OPERATORS, load_entry
from fusemorph.configuration import LATER
from fusemorph.fusion.plan import vocabulary

Granularity = Literal["scalar", "channel", "voxel", "voxel_channel"]
Normalisation = Literal["softmax", "sigmoid"]


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """How gates weigh their candidates, the joint against the single-image feature; the defaults are the paper's.

    ``granularity``: the logits are averaged over the axes that it drops, so every choice has the same parameters.
    ``normalisation``: weights that sum to one (``softmax``), or two independent ``sigmoid`` weights.
    ``initial_bias``: half the initial logit of joint over each other candidate; None draws biases as convolutions do.
    ``hard``: pick one feature: by straight-through Gumbel noise where a generator is given, by argmax without.
    ``rate``: learning rate of the logits, as a multiple of the network's.
    """

    granularity: Granularity = "voxel_channel"
    normalisation: Normalisation = "softmax"
    temperature: float = 1.0
    initial_bias: float | None = None
    hard: bool = False
    rate: float = field(default=1.0, metadata=LATER)

    def __post_init__(self) -> None:
        for name, kinds in (("granularity", Granularity), ("normalisation", Normalisation)):
            if getattr(self, name) not in kinds.__args__:  # type: ignore[attr-defined]
                raise ValueError(
                    f"GateSettings(): '{name}' must be one of {', '.join(kinds.__args__)}, "  # type: ignore[attr-defined]
                    f"got {getattr(self, name)!r}"
                )
        for name in ("temperature", "rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"GateSettings(): '{name}' must be positive, got {getattr(self, name)}")


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
