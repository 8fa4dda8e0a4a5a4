"""In: `lockstep.toml`, the environment, and the files that the environment names. Out: a checked `load.Settings`, or
SettingsError with every problem and its place. `models` defines what the file may hold, `infrastructure` checks where
database, Redis and data folder are, `database` checks its address, `environment` reads secrets. Called by `workers.bootstrap` and the command line;
imports only `domain`, `logs` and `redaction` of the hub."""
