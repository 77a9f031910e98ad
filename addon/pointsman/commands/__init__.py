"""The commands besides `web` and `dump`: each module's `main` takes the arguments and returns the exit status."""
