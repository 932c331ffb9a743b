"""ACDC and M&Ms as one set of cine MRI, under one naming of the labels, without a scan or a patient twice."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from fusemorph.data.cache import cache_folder
from fusemorph.data.cardiac import PROTOCOLS, CardiacDataset, CardiacSettings
from fusemorph.data.datasets.acdc import Acdc
from fusemorph.data.datasets.mnms import Mnms
from fusemorph.data.joined import join
from fusemorph.data.settings import read_protocol


class HeartsSettings(CardiacSettings):
    """``CardiacSettings`` of both sets."""

    dataset: ClassVar[str] = "hearts"


class Hearts(CardiacDataset):
    """Folders ``acdc`` and ``mnms`` (links are followed), each as it is by itself, with its own splits.

    Labels are numbered as those of ACDC. Ids and subjects begin with the name of their set. Where an image is in both,
    ACDC keeps it.
    """

    name = "hearts"
    title = "ACDC and M&Ms together"
    source = "the sources of both sets"
    licence = "those of both sets"
    download = "both sets, see `fusemorph datasets acdc mnms`"
    layout = "{acdc, mnms}/, each as expected by itself"
    companions = Acdc.companions | Mnms.companions

    def __init__(self, data: Path | None = None, *, cache: Path | None = None, **settings: Any) -> None:
        options = read_protocol(HeartsSettings, settings, dataset=self.name, protocols=PROTOCOLS)
        if data is None:
            raise ValueError("open_dataset(): 'data' must be the folder that holds acdc and mnms, got None")
        parts: dict[str, Callable[[Path], CardiacDataset]] = {
            "acdc": partial(Acdc, cache=cache, shape=options.shape),
            "mnms": partial(Mnms, cache=cache, shape=options.shape),
        }
        listing = join(data, parts, cache=cache_folder(cache))
        super().__init__(listing, options, folders=[data / name for name in parts], cache=cache)

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """The examples of both, side by side."""
        Mnms.example(folder / "mnms")
        return {**Acdc.example(folder / "acdc"), "data": folder}
