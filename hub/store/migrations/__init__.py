"""The steps from an empty database to the present tables. `hub.store.migrate` runs them."""
