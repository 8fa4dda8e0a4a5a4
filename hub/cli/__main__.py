"""`python -m hub.cli`: the same as `lockstep`."""

from hub.cli import main

main()
