"""``python -m resdsl``."""

from resdsl.cli.app import main

main()
