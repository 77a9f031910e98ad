"""The named clients: what each may use, and what each has spent."""
