"""Settings for every test, and what is made once for all of them."""

from pathlib import Path

import pytest
import torch

# The number of threads changes the bits of a trained network, and the tests compare bits.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def brains_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cache of the virtual brains, whose template takes seconds to read and resample."""
    return tmp_path_factory.mktemp("brains")
