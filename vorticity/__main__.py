"""`python -m vorticity` is the command `vorticity`."""

import sys

from vorticity.commands.main import main

sys.exit(main())
