"""`python -m vorticity` is the command `vorticity`."""

import sys

from vorticity.cli import main

sys.exit(main())
