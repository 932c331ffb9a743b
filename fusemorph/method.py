"""The contract of a registration method, learned or not, and how a method is found by its name.

A method is an entry of the catalogue: a file of ``baselines/``, or one from elsewhere, with one subclass of ``Method``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusemorph.catalogue import METHODS, entries, load_entry
from fusemorph.configuration import written_settings
from fusemorph.data.dataset import Dataset, Pair, Scan
from fusemorph.losses.training_loss import TrainingLoss
from fusemorph.networks.registration import Registration


class PairFailed(RuntimeError):
    """A method could not register a pair, with the reason. The evaluation goes on with the next pair."""


@dataclass(frozen=True)
class PublishedScore:
    """A published result, printed beside measured ones for context: splits and protocols differ.

    ``dataset`` and ``metric`` have the names that they have here, where they are here; shares such as Dice are within 0
    and 1. ``source`` names the publication, and says how the evaluated method differs from this one.
    """

    dataset: str
    metric: str
    value: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """One way to register a pair: settings as fields, and what it does with them.

    A method that is trained builds a network and names the ``objective`` that trains it; any other leaves both None.
    ``nondeterministic`` says why one thread and one seed may still give another result; empty where they don't.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    published: ClassVar[tuple[PublishedScore, ...]] = ()
    nondeterministic: ClassVar[str] = ""

    @property
    def objective(self) -> TrainingLoss | None:
        """The loss that trains the network; None where there is nothing to train."""
        return None

    def network(self, dims: int) -> nn.Module | None:
        """A freshly initialised network for images of ``dims`` axes, called as ``(fixed, moving, generator=...)`` and
        returning a ``Registration``; None where there is nothing to train."""
        return None

    @property
    def trained_as(self) -> "Method":
        """The method whose training yields the weights: another one where this one starts from its trained network."""
        return self

    @property
    def begins_with(self) -> Mapping[str, Any] | None:
        """Method, budget and seed of the trial, on the same data, whose trained weights training begins with; None
        where it begins with weights of its own."""
        return None

    def take_over(self, network: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Begin with the weights of that trial: bring them into the network."""
        network.load_state_dict(weights)

    def for_dataset(self, dataset: Dataset) -> "Method":
        """The method with what it must know of a data set, such as the labels that it segments."""
        return self

    def sees(self, dataset: Dataset) -> Dataset:
        """The data set as its training and registration see it: with label maps beside the images, for a control."""
        return dataset

    def missing(self) -> str | None:
        """What this machine lacks for the method, with the line that installs it; None where nothing is missing."""
        return None

    def versions(self) -> dict[str, str]:
        """Versions of what computes the result beside the core's own packages, for the record of the machine."""
        return {}

    def skip(self, dataset: Dataset) -> str | None:
        """Why the method is not applicable to this dataset, or not available here; None if it is."""
        return self.missing()

    @abstractmethod
    def register(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> Float[Tensor, "1 d *s"]:
        """Displacement in voxels that aligns the pair's moving with its fixed image.

        Raises:
            PairFailed: the method crashed, exceeded its time limit, or is not applicable to this pair.
        """

    def registration(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> Registration:
        """What ``register`` returns, with by-products such as the weights of gates."""
        return Registration(displacement=self.register(pair, network=network, device=device))

    def configuration(self) -> dict[str, Any]:
        """Name and settings, canonical: equal methods have equal configurations; ``LATER`` ones only where they say
        something new."""
        return {"name": self.name, **written_settings(self, type(self)())}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "Method":
        """The method with these settings as JSON has them: tuples as lists, nested settings as mappings of what differs
        from the method's own."""
        default = cls()
        defaults = {entry.name: getattr(default, entry.name) for entry in fields(cls)}
        return cls(**{name: _from_json(value, defaults.get(name)) for name, value in settings.items()})


@dataclass(frozen=True, kw_only=True)
class LearnedMethod(Method):
    """A method whose network predicts the displacement in one pass; ``loss`` is what trains it."""

    loss: TrainingLoss = field(default_factory=TrainingLoss)

    @property
    def objective(self) -> TrainingLoss:
        """The loss that trains the network."""
        return self.loss

    def skip(self, dataset: Dataset) -> str | None:
        if self.loss.reads_labels and not dataset.labels:
            return f"it learns from labels, and {dataset.name} has none"
        return super().skip(dataset)

    def register(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> Float[Tensor, "1 d *s"]:
        return self.registration(pair, network=network, device=device).displacement

    def registration(self, pair: Pair, *, network: nn.Module | None, device: torch.device) -> Registration:
        assert network is not None
        fixed, moving = (input_tensor(scan, device) for scan in (pair.fixed, pair.moving))
        with torch.inference_mode():
            return network(fixed, moving)  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class SegmentingMethod(LearnedMethod):
    """A learned method whose network segments, too: these ``labels`` beside background, by default three."""

    labels: tuple[int, ...] = (1, 2, 3)

    def for_dataset(self, dataset: Dataset) -> "SegmentingMethod":
        """The method that segments the labels of a data set."""
        return replace(self, labels=tuple(dataset.labels) or self.labels)


@dataclass(frozen=True, kw_only=True)
class MethodOfAnother(Method):
    """A method that is made of another one, ``of``: it is applicable where that one is, and writes its settings too."""

    of: Method

    def for_dataset(self, dataset: Dataset) -> "MethodOfAnother":
        """The method with what the other one must know of a data set."""
        return replace(self, of=self.of.for_dataset(dataset))

    def skip(self, dataset: Dataset) -> str | None:
        return self.of.skip(dataset)

    def configuration(self) -> dict[str, Any]:
        """Settings, and the configuration of the other method."""
        return super().configuration() | {"of": self.of.configuration()}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Method:
        loaded = {"of": load_method(settings["of"])} if "of" in settings else {}
        return super().from_settings({**settings, **loaded})


def _from_json(value: Any, default: Any) -> Any:
    if isinstance(value, Mapping) and is_dataclass(default) and not isinstance(default, type):
        return replace(
            default, **{name: _from_json(each, getattr(default, name, None)) for name, each in value.items()}
        )
    return tuple(value) if isinstance(value, list) else value


def image_tensor(image: Any, device: torch.device) -> Float[Tensor, "1 1 *s"]:
    """An image array as a batch of one with one channel."""
    return torch.tensor(image, dtype=torch.float32, device=device)[None, None]


def input_tensor(scan: Scan, device: torch.device) -> Float[Tensor, "1 _ *s"]:
    """A scan as a network takes it: its image and, as a second channel, the label map that it is given, if it is."""
    image = image_tensor(scan.image, device)
    return image if scan.given is None else torch.cat((image, image_tensor(scan.given, device)), dim=1)


def known_methods() -> tuple[str, ...]:
    """Names of the methods that can be found: the fusion networks, the baselines, and entries from elsewhere."""
    return tuple(entries(METHODS))


def load_method(configuration: Mapping[str, Any]) -> Method:
    """The method of a configuration, as ``Method.configuration`` writes it.

    Raises:
        ValueError: an unknown name (the known ones are listed), a file that is no entry, or an unknown setting.
    """
    name = configuration["name"]
    kind: type[Method] = load_entry(METHODS, name, Method)
    try:
        return kind.from_settings({k: v for k, v in configuration.items() if k != "name"})
    except TypeError as error:
        raise ValueError(f"load_method(): settings of {name!r} do not fit: {error}") from error
