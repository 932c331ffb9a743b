"""Numbers onto matplotlib Axes, one look for all."""

import os
import sys

try:
    import matplotlib  # noqa: F401
except ValueError:
    # MPLBACKEND names a backend that is not here, as what a notebook hands on to its programs often does. What is left
    # of the import goes, so that the next one begins anew.
    os.environ["MPLBACKEND"] = "agg"
    for name in [name for name in sys.modules if name.partition(".")[0] in ("matplotlib", "mpl_toolkits")]:
        del sys.modules[name]
