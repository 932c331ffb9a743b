"""Optuna as a searcher: TPE, NSGA-II, brute force, or uniform draws that `optuna-dashboard` can show.

The study is a view of the records, made anew by whoever starts: nothing of Optuna's has to survive a crash. A sampler
is made for each point, from the search's seed and the number of points known, so that its state is that of the study.
"""

import json
import warnings
import weakref
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, BruteForceSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from fusemorph.pareto import Direction
from fusemorph.storage import refused
from nas.searcher import Outcome, Searcher, State, point_key
from nas.space import Parameter, Range, Space, Value, Values

Sampler = Literal["tpe", "nsga2", "random", "brute"]

STARTUP = 10
POPULATION = 10
BRUTE_LIMIT = 10_000
_STATES: dict[State, TrialState] = {
    "finished": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "refused": TrialState.FAIL,
}


class OptunaSearcher(Searcher):
    """A search by one of Optuna's samplers.

    ``directions``: one per objective; with several, intermediate values are not passed on, since Optuna takes none.
    ``journal``: file of the study for ``optuna-dashboard``, replaced if it is there. TPE learns from finished and
    pruned points, after ``STARTUP`` of them; NSGA-II from finished ones, after ``POPULATION``. Points before that are
    those of ``first``, then some drawn as ``Space.sample`` does, since stage by stage one plan in three would be late
    fusion.

    Raises:
        ValueError: an unknown sampler or direction, or a space that is too large for brute force.
    """

    def __init__(
        self,
        space: Space,
        *,
        directions: Sequence[Direction],
        sampler: Sampler,
        seed: int,
        journal: Path | None = None,
        first: Sequence[Values] = (),
    ) -> None:
        _check(space, directions, sampler)
        self.space = space
        self.seed = seed
        self.sampler = sampler
        self._first = tuple(space.fit(values) for values in first)
        self._size = space.size()
        self._distributions = {p.name: _distribution(p) for p in space.every_parameter()}
        self._seen: set[str] = set()
        self._count = 0
        self._open: dict[str, list[Trial]] = defaultdict(list)
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would report the study's creation on stderr
        self._study = optuna.create_study(
            study_name=journal.stem if journal else None,
            storage=JournalStorage(_Journal(journal)) if journal else None,
            directions=list(directions),
            sampler=RandomSampler(seed=0),
        )

    def ask(self) -> Values | None:
        if len(self._seen) == self._size:
            return None
        if not self._is_informed():
            rng = self._rng()
            warm = next((values for values in self._first if point_key(values) not in self._seen), None)
            self._study.enqueue_trial(self._complete(warm or self.space.sample(rng), rng))
        return self._begin()

    def adopt(self, values: Values, outcome: Outcome | None) -> None:
        fitted = self.space.fit(values)
        params = self._complete(fitted, self._rng())
        if outcome is None:
            self._study.enqueue_trial(params)
            self._begin()
            return
        self._study.add_trial(self._ended_trial(params, outcome))
        self._note(fitted)

    def tell(self, values: Values, outcome: Outcome) -> None:
        """End the open trials of a point.

        Raises:
            ValueError: the point is not open, or the outcome has not one value per objective.
        """
        self._check_outcome(outcome)
        trials = self._open.pop(point_key(self.space.fit(values)), None)
        if trials is None:
            raise ValueError(f"OptunaSearcher.tell(): 'values' must be an open point, got {values}")
        for trial in trials:
            for step, value in self._intermediate(outcome).items():
                trial.report(value, step)
            self._study.tell(trial, list(outcome.values) or None, state=_STATES[outcome.state])

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng((self.seed, self._count))

    def _is_informed(self) -> bool:
        """Whether the sampler knows enough ended points to propose one."""
        if self.sampler in ("random", "brute"):
            return self.sampler == "brute"
        states = (TrialState.COMPLETE, TrialState.PRUNED) if self.sampler == "tpe" else (TrialState.COMPLETE,)
        ended = len(self._study.get_trials(deepcopy=False, states=states))
        return ended >= (STARTUP if self.sampler == "tpe" else POPULATION)

    def _begin(self) -> Values:
        """Open the enqueued trial, or one that the sampler proposes."""
        resting = self._study.sampler
        self._study.sampler = _make_sampler(self.sampler, seed=int(self._rng().integers(2**32)))
        try:
            trial = self._study.ask()
            values = self._suggest(trial)
        finally:
            # Brute force stops its study from within tell() once it is through, which only optimize() can bear.
            self._study.sampler = resting
        self._open[point_key(values)].append(trial)
        self._note(values)
        return values

    def _suggest(self, trial: Trial) -> Values:
        def suggest(parameter: Parameter) -> Value:
            if isinstance(parameter, Range):
                return trial.suggest_float(parameter.name, parameter.low, parameter.high, log=parameter.log)
            return trial.suggest_categorical(parameter.name, parameter.values)

        if self.sampler == "nsga2":
            for parameter in self.space.every_parameter():
                suggest(parameter)
        return self.space.walk(suggest)

    def _complete(self, values: Values, rng: np.random.Generator) -> Values:
        """A point as the sampler's trials hold it.

        NSGA-II crosses only what all trials have and draws the rest at random, which would be nearly all of a plan. Its
        trials therefore hold inactive parameters as well, as genes without effect.
        """
        if self.sampler != "nsga2":
            return values
        parameters = self.space.every_parameter()
        return {p.name: values[p.name] if p.name in values else p.draw(rng) for p in parameters}

    def _note(self, values: Values) -> None:
        self._seen.add(point_key(values))
        self._count += 1

    def _ended_trial(self, params: Values, outcome: Outcome) -> FrozenTrial:
        self._check_outcome(outcome)
        intermediate = self._intermediate(outcome)
        values = list(outcome.values)
        if outcome.state == "pruned" and intermediate:
            values = [intermediate[max(intermediate)]]  # as Optuna's own tell() does
        return optuna.create_trial(
            state=_STATES[outcome.state],
            values=values or None,
            params=params,
            distributions={name: self._distributions[name] for name in params},
            intermediate_values=intermediate,
        )

    def _intermediate(self, outcome: Outcome) -> dict[int, float]:
        return dict(outcome.intermediate) if len(self._study.directions) == 1 else {}

    def _check_outcome(self, outcome: Outcome) -> None:
        count = len(self._study.directions)
        if outcome.values and len(outcome.values) != count:
            raise ValueError(f"OptunaSearcher(): an outcome must have {count} values, got {outcome.values}")


class _Generational(NSGAIISampler):
    """NSGA-II whose generations follow from the order in which trials finished, so that adopted trials are in them.

    A generation's parents are the best of all that finished before it.
    """

    def get_trial_generation(self, study: optuna.Study, trial: FrozenTrial) -> int:
        return len(_finished(study)) // POPULATION

    def select_parent(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        return self._elite_population_selection_strategy(study, _finished(study)[: generation * POPULATION])


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(trials, key=lambda trial: (trial.datetime_complete, trial.number))


class _Journal(BaseJournalBackend):
    """A journal file in Optuna's format that this process alone writes: without locks, sync or reading back.

    Raises:
        StorageError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._logs: list[dict[str, Any]] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise refused(path, error) from error
        weakref.finalize(self, self._file.close)

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._logs.extend(logs)
        try:
            self._file.writelines(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
            self._file.flush()
        except OSError as error:
            raise refused(self._path, error) from error


def _make_sampler(name: Sampler, *, seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        # Groups let TPE serve conditional parameters; Optuna calls them and brute force experimental, for years now.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "tpe":
            return TPESampler(n_startup_trials=STARTUP, multivariate=True, group=True, constant_liar=True, seed=seed)
        if name == "brute":
            return BruteForceSampler(seed=seed)
    return _Generational(population_size=POPULATION, seed=seed) if name == "nsga2" else RandomSampler(seed=seed)


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Range):
        return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    return CategoricalDistribution(parameter.values)


def _check(space: Space, directions: Sequence[Direction], sampler: Sampler) -> None:
    if sampler not in get_args(Sampler):
        samplers = ", ".join(get_args(Sampler))
        raise ValueError(f"OptunaSearcher(): 'sampler' must be one of {samplers}, got {sampler!r}")
    if not directions or set(directions) - set(get_args(Direction)):
        raise ValueError(f"OptunaSearcher(): 'directions' must be maximize or minimize each, got {list(directions)}")
    size = space.size()
    if sampler == "brute" and (size is None or size > BRUTE_LIMIT):
        got = "ranges" if size is None else f"{size} points"
        raise ValueError(f"OptunaSearcher(): brute force needs at most {BRUTE_LIMIT} points and no range, got {got}")
