"""Run the service: `python -m engine.service [--foreground] [HOME]`."""

import sys

from engine.service.daemon import main

sys.exit(main(sys.argv[1:]))
