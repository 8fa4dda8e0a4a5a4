"""In: due outbox rows (intended writes). Out: calls to a vendor; each outcome is committed in the incident's case.
`deliver.deliver`, `duplicates.find_duplicates` and `backlinks.link_back` are called by `hub.sync.tasks` alone.
Imports nothing from `inbound/`."""
