"""In: due intentions of the outbox. Out: calls to a vendor, and their outcome settled in the case of the incident.
`deliver.deliver`, `duplicates.find_duplicates` and `backlinks.link_back` are called by `hub.sync.tasks` alone.
Knows nothing of `inbound/`."""
