"""The sync engine: `intake` keeps what arrives, `look` reads the world, `reconcile` decides, `deliver` writes, `sweep` finds
what is due. Every task takes the name of a row and may be lost, repeated or run twice at once."""
