"""The sync engine: `inbound` stores webhooks and reads vendors, `incident` merges and plans, `outbound` writes, `limits`
guards every call, `sweep` finds due rows. A task takes the key of a row; it may be lost, repeated, or run twice at once."""
