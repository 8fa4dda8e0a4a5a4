"""In: `lockstep.toml`, the environment, and files that it names. Out: `load.Settings`, checked, or every problem with its place.
`models` says what the file may hold, `infrastructure` where the hub's own parts are, `environment` reads secrets.
Called by `workers.bootstrap` and the command line; imports nothing of the hub but `domain`."""
