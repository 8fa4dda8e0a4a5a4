"""The sync engine: `inbound` stores webhooks and reads vendors, `incident` merges and plans, `outbound` writes,
`limits` guards every call, `sweep` finds due rows. Tasks take a row's key and may be lost, repeated or run twice."""
