"""The ``semdd`` command; also ``python -m semdd_lightning``."""

import sys

from semdd_lightning.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
