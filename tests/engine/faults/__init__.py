"""Real faults on real processes: `lockstep up` with web, workers and timer, the four stand-ins over loopback through the real
client libraries, a storm of incidents, and one fault per test. At the end every system shows the same, and nothing was lost."""
