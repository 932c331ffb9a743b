"""Settings for every test."""

import torch

# The number of threads changes the bits of a trained network, and the tests compare bits.
torch.set_num_threads(1)
