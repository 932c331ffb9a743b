"""``python -m fusemorph`` is the ``fusemorph`` command."""

from fusemorph.cli import main

raise SystemExit(main())
