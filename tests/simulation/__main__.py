"""`python -m tests.simulation`: see `run`."""

from tests.simulation.run import main

raise SystemExit(main())
