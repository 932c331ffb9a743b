"""A supernet: its plans are the networks that they are alone, and what a step trains follows from seed and step."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fusemorph.configuration import Budget
from fusemorph.data import open_dataset
from fusemorph.fusion.fusion_network import FusionNetwork
from fusemorph.fusion.method import Fusion
from fusemorph.fusion.operator import GateSettings
from fusemorph.fusion.plan import enumerate_plans
from fusemorph.fusion.plan_draws import PlanDraws
from fusemorph.fusion.supernet_network import covering
from fusemorph.losses.training_loss import TrainingLoss, total
from fusemorph.networks.pair_network import PairNetwork
from fusemorph.trials.checkpoint import Progress, restore, save_checkpoint
from fusemorph.trials.step import TrainingStep, parameter_groups
from fusemorph.trials.training import train
from fusemorph.warp import warp
from nas.supernet import Supernet

CHANNELS = (4, 8, 8, 16, 16)
CPU = torch.device("cpu")
OF = Fusion(channels=CHANNELS)
SPACES = {
    "direct": Supernet(of=OF, operators="jsg"),
    "coarse to fine": Supernet(of=replace(OF, plan="ggg/qqqq"), operators="g/smq"),
    "transformer": Supernet(of=Fusion(backbone="transformer", channels=(4, 8, 8, 8)), plans=("autofuse", "ssjjjjs")),
    "listed": Supernet(of=replace(OF, plan="gsjgggj"), plans=("gsjgggj", "late", "jjjjjjj", "sss/mmmm")),
}


def gradients(network: PairNetwork, shape: tuple[int, ...]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """A displacement that heads away from their small initial values predict, and the loss's gradient by weight."""
    draw = torch.Generator().manual_seed(1)
    fixed, moving = torch.rand(2, 1, 1, *shape, generator=draw)
    registration = network.both_directions(fixed, moving, generator=torch.Generator().manual_seed(0))
    both = torch.cat((fixed, moving)), torch.cat((moving, fixed))
    terms = TrainingLoss(window=5).terms(registration, fixed=both[0], warped=warp(both[1], registration.displacement))
    network.zero_grad()
    total(terms).backward()
    named = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    return registration.displacement.detach(), named


@pytest.mark.parametrize("space", ["direct", "coarse to fine", "transformer"])
def test_a_plan_cut_out_is_the_network_that_the_supernet_runs(space: str) -> None:
    torch.manual_seed(0)
    method = SPACES[space]
    network, shape = method.network(2), (32, 32)
    for name, weight in network.named_parameters():
        if "mean.weight" in name:
            torch.nn.init.normal_(weight, std=0.05)
    plans = method.all_plans()
    for plan in [*covering(plans)[-2:], plans[len(plans) // 2]]:
        alone = network.cut(plan)
        assert isinstance(alone, FusionNetwork)
        assert alone.plan == plan
        network.drawn = plan
        shared, of_supernet = gradients(network, shape)
        displacement, of_plan = gradients(alone, shape)
        assert displacement.abs().max() > 1e-3
        torch.testing.assert_close(shared, displacement, rtol=0, atol=1e-6)
        assert len(of_supernet) == len(of_plan)
        within = {name: p.grad for name, p in network.subnetwork(plan).named_parameters() if p.grad is not None}
        assert within.keys() == of_plan.keys()
        for name in of_plan:
            torch.testing.assert_close(within[name], of_plan[name], rtol=1e-6, atol=1e-6)


def test_weights_are_shared_by_stage_and_operator() -> None:
    network = SPACES["direct"].network(2)
    early, late, gates = (network.subnetwork(plan) for plan in ("jjjjjjj", "------s", "ggggggg"))
    assert early.head is late.head is gates.head
    assert early.joint.get_submodule("blocks.3") is gates.joint.get_submodule("blocks.3")
    assert late.operators["7"] is not gates.operators["7"]
    assert {id(p) for p in gates.parameters()} <= {id(p) for p in network.parameters()}
    assert not [name for name, p in network.named_parameters() if p.is_meta]


def test_every_weight_is_of_some_plan() -> None:
    network = Supernet(of=OF, operators="sg").network(2)
    used = {id(p) for plan in network.plans for p in network.subnetwork(plan).parameters()}
    assert {id(p) for p in network.parameters()} == used


def test_a_step_trains_the_weights_of_its_plan_alone() -> None:
    method = SPACES["direct"]
    network = method.network(2)
    step = TrainingStep(network, method.objective, BUDGET, label_ids=(1,), spacing_mm=(1.0, 1.0), device=CPU)
    before = {name: p.clone() for name, p in network.named_parameters()}
    images = torch.rand(1, 1, 32, 32), torch.rand(1, 1, 32, 32)
    step(images, None, seed=0, step=7)
    plan = network.drawn
    assert plan == PlanDraws(network.plans, draw="uniform", seed=network._draws.seed).at(7)
    used = {id(p) for p in network.subnetwork(plan).parameters()}
    changed = {id(p) for name, p in network.named_parameters() if not torch.equal(p, before[name])}
    assert changed
    assert changed <= used


BUDGET = Budget(steps=4, width=2, learning_rate=1e-3, validations=2, validation_pairs=1, symmetric=True)


def test_a_killed_supernet_ends_bit_equal(brains_cache: Path, tmp_path: Path) -> None:
    dataset = open_dataset("virtual_brains", cache=brains_cache, spacing_mm=8.0, train=4, val=4, test=4)
    method = Supernet(of=replace(OF, gate=GateSettings(rate=3.0)), operators="sg", draw="fair")
    whole = train(method, dataset, BUDGET, 5, device=CPU)
    checkpoint = tmp_path / "checkpoint.safetensors"
    begun = train(method, dataset, BUDGET, 5, device=CPU, checkpoint=checkpoint, stops=lambda history: True)
    assert begun.progress.step == 2
    resumed = train(method, dataset, BUDGET, 5, device=CPU, checkpoint=checkpoint)
    assert resumed.resumed_at == 2
    pairs = zip(whole.network.state_dict().values(), resumed.network.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert whole.progress.history == resumed.progress.history


def test_the_seed_of_the_weights_decides_what_is_drawn() -> None:
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        network = Supernet(of=OF, operators="sg").network(2)
        for step in range(5):
            network.advance(step / 5, step)
            drawn.append(network.drawn)
    assert drawn[:5] == drawn[5:10] != drawn[10:]


def test_a_checkpoint_keeps_weights_that_no_step_has_used(tmp_path: Path) -> None:
    supernet = Supernet(of=OF, operators="sg")
    network = supernet.network(2)
    optimiser = torch.optim.Adam(parameter_groups(network))
    network.drawn = "------s"
    gradients(network, (32, 32))
    optimiser.step()
    save_checkpoint(tmp_path / "file", network, optimiser, Progress())
    again = supernet.network(2)
    restored = torch.optim.Adam(parameter_groups(again))
    restore(tmp_path / "file", again, restored)
    states = [[len(of.state[p]) for p in net.parameters()] for of, net in ((optimiser, network), (restored, again))]
    assert states[0] == states[1]
    assert set(states[0]) == {0, 3}


def test_logits_learn_at_the_rate_of_the_gate() -> None:
    network = Supernet(of=replace(OF, gate=GateSettings(rate=3.0)), operators="sg").network(2)
    rates = {name: network.rate_of(name) for name, _ in network.named_parameters()}
    assert {rate for name, rate in rates.items() if "logit" in name} == {3.0}
    assert {rate for name, rate in rates.items() if "logit" not in name} == {1.0}


def test_uniform_draws_take_every_plan_as_often() -> None:
    plans = enumerate_plans("sg")
    draws = PlanDraws(plans, draw="uniform", seed=0)
    counts = Counter(draws.at(step) for step in range(200 * len(plans)))
    deviation = sum((counts[plan] - 200) ** 2 / 200 for plan in plans)
    assert set(counts) == set(plans)
    assert deviation < len(plans) + 4 * (2 * len(plans)) ** 0.5  # chi-squared, four standard deviations


@pytest.mark.parametrize("operators", ["jsg", "jg/jc"])
def test_fair_draws_take_every_operator_of_a_stage_as_often(operators: str) -> None:
    draws = PlanDraws(enumerate_plans(operators), draw="fair", seed=1)
    counts: Counter[tuple[int, str]] = Counter()
    for step in range(100):
        counts.update(enumerate(draws.at(step).replace("/", "")))
    for stage in range(7):
        live = [count for (place, symbol), count in counts.items() if place == stage and symbol != "-"]
        assert max(live) - min(live) <= 1
    assert draws.at(3) == PlanDraws(draws.plans, draw="fair", seed=1).at(3)


def test_what_is_no_supernet_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Supernet\(\): the plan of 'of' must be one of its 691 plans, got 'cccc"):
        Supernet(of=replace(OF, plan="ccccjjj"), operators="jsg")
    with pytest.raises(ValueError, match="'draw' must be one of uniform, fair, got 'often'"):
        Supernet(of=OF, draw="often")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'of' must segment nothing"):
        Supernet(of=replace(OF, segmentation="loss"))
    with pytest.raises(ValueError, match="'plan' must be one of the 4, got 'ggggggg'"):
        SPACES["listed"].network(2).subnetwork("ggggggg")


def test_plans_that_are_all_of_the_operators_are_not_listed() -> None:
    assert Supernet(of=OF, operators="sg", plans=enumerate_plans("sg")) == Supernet(of=OF, operators="sg")
    assert len(SPACES["listed"].all_plans()) == 4
