"""In: what was observed, and what people ask for. Out: the changed incident, its journal, and intentions to write.
`commit.open_case` is the way in, for `inbound/`, `outbound/`, `hub.sync.tasks` and `hub.services`.
One transaction for each case, and no vendor is called in it."""
