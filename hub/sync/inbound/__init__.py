"""In: webhooks, polls and reads of a vendor's objects. Out: observations merged into a case, and rows that are due.
`intake.accept` is called by the web alone; everything else by `hub.sync.tasks` and `hub.services`.
Knows nothing of `outbound/`: what must be written is decided in `incident/` and found by its due row."""
