"""Instance optimisation: another method's result for a pair, optimised further on that pair by descending the loss.

Source: Balakrishnan et al. 2019, VoxelMorph, IEEE TMI 38(8):1788 (there of a displacement, from the network's). Whether
a trained network does more than such a loop would is the question of Jena et al. 2024, "Deep Learning in Medical Image
Registration: Magic or Mirage?", arXiv 2408.05839.

Adam descends the other method's own loss, labels left out. What it moves is what its network predicts: the velocity,
where there is one, else the displacement. For a method without a network a velocity at half resolution is optimised,
zero at first, whose displacement is composed after the method's own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.identity import Identity
from fusemorph.data.dataset import Dataset, Pair
from fusemorph.data.masked import LOSS
from fusemorph.integrate import exponential, resize_displacement
from fusemorph.losses.training_loss import NCC_AND_DIFFUSION, TrainingLoss, total
from fusemorph.method import Method, MethodOfAnother, PairFailed, image_tensor
from fusemorph.networks.padding import crop, padded_shape
from fusemorph.networks.registration import Registration
from fusemorph.warp import compose, warp

Transform = Callable[[Tensor], Registration]
"""From what is optimised to the transformation that it describes."""


@dataclass(frozen=True, kw_only=True)
class InstanceOptimisation(MethodOfAnother):
    """The method ``of``, its results optimised further in ``steps`` of Adam; without steps the method itself.

    ``learning_rate``: about the voxels that a step moves a point. ``loss`` counts only where ``of`` has none of its
    own, and is written as the default elsewhere.
    """

    name: ClassVar[str] = "instance_optimisation"
    source: ClassVar[str] = "Balakrishnan et al. 2019, IEEE TMI 38(8):1788; asked for by Jena et al. 2024"

    of: Method = field(default_factory=Identity)
    steps: int = 50
    learning_rate: float = 0.1
    loss: TrainingLoss = NCC_AND_DIFFUSION

    def __post_init__(self) -> None:
        if self.steps < 0 or not self.learning_rate > 0:
            raise ValueError(
                "InstanceOptimisation(): 'steps' must be 0 or more and 'learning_rate' positive, "
                f"got {self.steps} and {self.learning_rate}"
            )
        if self.of.objective is not None:
            object.__setattr__(self, "loss", NCC_AND_DIFFUSION)

    @property
    def objective(self) -> TrainingLoss | None:
        """The loss that trains the other method's network, then optimised for each pair; None where it has none."""
        return self.of.objective

    @property
    def trained_as(self) -> Method:
        """The other method: instance optimisation itself trains nothing."""
        return self.of.trained_as

    def network(self, dims: int) -> nn.Module | None:
        """The other method's network."""
        return self.of.network(dims)

    def sees(self, dataset: Dataset) -> Dataset:
        return self.of.sees(dataset)

    def missing(self) -> str | None:
        return self.of.missing()

    def versions(self) -> dict[str, str]:
        """What the other method says of its package."""
        return self.of.versions()

    def register(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> Float[Tensor, "1 d *s"]:
        return self.registration(pair, network=network, device=device).displacement

    def registration(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> Registration:
        """The other method's registration with the optimised displacement, and velocity where it has one.

        Raises:
            PairFailed: the other method failed, or the loss is not finite.
        """
        start = self.of.registration(pair, network=network, device=device)
        if not self.steps:
            return start
        # Networks are run in inference mode, whose tensors know no gradient: clones made outside of it do.
        with torch.inference_mode(False), torch.enable_grad():
            first, transform = parametrise(start, learned=self.of.objective is not None)
            optimised = transform(self._descend(first, transform, pair, device))
        return optimised if start.velocity is not None else replace(optimised, velocity=None)

    def _descend(self, first: Tensor, transform: Transform, pair: Pair, device: torch.device) -> Tensor:
        fixed, moving = (image_tensor(scan.image, device) for scan in (pair.fixed, pair.moving))
        objective, moved = self.objective or self.loss, first.requires_grad_()
        optimiser = torch.optim.Adam([moved], lr=self.learning_rate)
        limits = pair.limits(LOSS)
        mask = None if limits is None else image_tensor(limits, device)
        for step in range(self.steps):
            registration = transform(moved)
            warped = warp(moving, registration.displacement)
            terms = objective.terms(
                registration, fixed=fixed, warped=warped, spacing_mm=pair.fixed.spacing_mm, mask=mask
            )
            loss = total(terms)
            if not torch.isfinite(loss):
                raise PairFailed(f"the loss of instance optimisation is not finite at step {step + 1}")
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return moved.detach()


def parametrise(start: Registration, *, learned: bool) -> tuple[Tensor, Transform]:
    """What is optimised, as it is at the start, and the transformation that it describes."""
    displacement = start.displacement.clone()
    shape = tuple(displacement.shape[2:])
    if start.velocity is not None:
        log_variance = None if start.log_variance is None else start.log_variance.clone()
        given = replace(start, log_variance=log_variance)
        return start.velocity.clone(), lambda velocity: replace(
            given, velocity=velocity, displacement=integrate(velocity, shape)
        )
    if learned:
        return displacement, lambda moved: replace(start, displacement=moved)
    still = displacement.new_zeros(*displacement.shape[:2], *(-(-side // 2) for side in shape))
    return still, lambda velocity: Registration(
        displacement=compose(displacement, resize_displacement(exponential(velocity), shape)), velocity=velocity
    )


def integrate(velocity: Float[Tensor, "b d *t"], shape: tuple[int, ...]) -> Float[Tensor, "b d *s"]:
    """The displacement of a network's velocity on images of that shape, which the network pads."""
    return crop(resize_displacement(exponential(velocity), padded_shape(shape)), shape)
