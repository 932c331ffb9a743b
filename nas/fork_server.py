"""What the inline executor's workers are forked from: a process that has imported, once, what each of them needs.

Importing torch takes seconds. This module is imported in that process alone (``set_forkserver_preload``). Signals to
the whole process group are not for it: a worker saves its training step first, and the driver asks it how that ended.
"""

import os
import signal
from functools import partial

import torch._dynamo  # noqa: F401  torch imports it with the first optimiser, which takes another second

import fusemorph.trials.run  # noqa: F401

for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, signal.SIG_IGN)
    os.register_at_fork(after_in_child=partial(signal.signal, number, signal.SIG_DFL))
