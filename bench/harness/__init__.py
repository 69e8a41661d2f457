"""The driver behind tools/bench: what to run, and running it fairly."""
