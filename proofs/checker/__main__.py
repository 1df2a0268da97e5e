"""`python -m proofs.checker FILE ...` checks certificates."""

import sys

from proofs.checker.checking import main

sys.exit(main())
