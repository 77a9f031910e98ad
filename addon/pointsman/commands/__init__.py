"""Commands that answer questions: each module has a `main` that takes its arguments and returns the exit status."""
