"""The configuration: what a file and the environment may say, and the frozen `Settings` that come of it.

The way of a value: `document` reads the YAML, `environment` puts overrides over it and fills in `${NAME}`,
`inheritance` adds what the catalog knows, the models in `settings` and `providers` judge each value, `rules` judge what
spans several, `loading` runs all that in order.
"""
