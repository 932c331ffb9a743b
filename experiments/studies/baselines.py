"""What does everything else score on the same pairs? Every method that can be found, in one table."""

from collections.abc import Sequence
from dataclasses import replace

from baselines.transmorph import Transmorph
from experiments.studies.fusion import TUNED, named_plans
from experiments.study import Arm, Study, refined
from fusemorph.configuration import Budget
from fusemorph.fusion.fusion_network import published_channels
from fusemorph.fusion.method import Fusion
from fusemorph.method import Method, known_methods, load_method

WIDTH_ON_CPU = 24
LISTED_BY_VARIANT = ("fusion", "instance_optimisation", "transmorph")
OF_A_SEARCH = ("fine_tuned", "supernet")
NOT_LISTED = (*LISTED_BY_VARIANT, *OF_A_SEARCH)
REFINED = ("affine",)


def baseline_arms(shape: tuple[int, ...], budget: Budget) -> Sequence[Arm]:
    """Every method under its published settings, the fusion strategies, and what is trained refined for each pair.

    TransMorph and the transformer of AutoFuse are narrower than published, so that they train on a CPU.
    """
    methods = {name: load_method({"name": name}) for name in known_methods() if name not in NOT_LISTED}
    methods = {name: method for name, method in methods.items() if not learns_from_labels(method)}
    references = [Arm(label=name, group="floor", method=methods.pop(name)) for name in ("identity", "oracle")]
    arms = [Arm(label=name, group=_group(method), method=method) for name, method in methods.items()]
    classical = [arm for arm in arms if not arm.trained]
    learned = [replace(arm, method=with_recipe(arm.method)) for arm in arms if arm.trained]
    narrow = with_recipe(Transmorph(width=WIDTH_ON_CPU))
    learned.append(Arm(label="transmorph, narrow", group="learned", method=narrow))
    fusion = [replace(arm, group="fusion") for arm in named_plans(budget)]
    channels = published_channels(budget.width // 2, backbone="transformer")
    transformer = Fusion(plan="autofuse", channels=channels, backbone="transformer", loss=TUNED)
    fusion.append(Arm(label="AutoFuse, transformer, narrow", group="fusion", method=transformer))
    arms = [*references, *classical, *learned, *fusion]
    return [*arms, *(refined(arm) for arm in arms if arm.label in REFINED)]


def with_recipe(method: Method) -> Method:
    """The learned method with the similarity of the fusion networks where its own is local NCC at one resolution.

    Its regularity keeps its share of the loss: the weights grow as those of the similarity's levels together.
    """
    loss = method.objective
    assert loss is not None
    if loss.similarity != "ncc" or loss.levels > 1:
        return method
    weights = sum(0.5**level for level in range(TUNED.levels))
    recipe = replace(loss, levels=TUNED.levels, diffusion_weight=weights * loss.diffusion_weight)
    return replace(method, loss=recipe)  # type: ignore[call-arg]


def learns_from_labels(method: Method) -> bool:
    """Whether it belongs in the study ``semi``."""
    return method.objective is not None and method.objective.reads_labels


def _group(method: Method) -> str:
    return "learned" if method.objective else "classical"


STUDY = Study(
    question="How do fusion networks stand beside the learned and the classical methods that the field uses?",
    protocol=(
        "Every method registers the same pairs and is measured by the same code.",
        "Learned methods have the published widths and regularity, and the recipe of the fusion networks: the budget's "
        "steps and learning rate, and local NCC at three resolutions where theirs is at one; transformers are narrower "
        "than published where their label says so.",
        "Classical methods have their packages' defaults, after an affine step of their own.",
        "Methods refined for each pair start from another's result and descend its loss on that pair alone.",
    ),
    reference="C2F AutoFuse",
    arms=baseline_arms,
    dataset="hippocampus",
    optimise_instances=True,
)
