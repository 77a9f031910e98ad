"""Who asks: the named clients, what each may use, and what each has spent."""
