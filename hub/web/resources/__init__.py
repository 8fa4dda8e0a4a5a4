"""The operations of the JSON API, one table a resource, thin over `hub.services`."""
