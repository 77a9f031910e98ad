"""The dialects there are: a folder each, and `registry`, which knows them all."""
