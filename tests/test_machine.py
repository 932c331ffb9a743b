"""What the machine adds to a result: memory is measured as the process's own."""

import subprocess
import sys

import numpy as np

from fusemorph.machine import peak_memory_mib

CHILD = "from fusemorph.machine import peak_memory_mib; print(peak_memory_mib())"


def test_a_small_child_of_a_large_process_does_not_measure_its_parent() -> None:
    held = np.ones(2**26)  # half a GiB
    before = peak_memory_mib()
    printed = subprocess.run([sys.executable, "-c", CHILD], check=True, capture_output=True, text=True).stdout
    assert before > 512
    assert float(printed) < before - held.nbytes / 2**21
