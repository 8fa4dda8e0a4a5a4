"""The operations of the JSON API, one table for each resource; each calls `hub.services`."""
