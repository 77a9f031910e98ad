"""What `pointsman init` finds on this machine, and the configuration that it makes of that.

`keys` looks in the environment, `key_files` in the files of other tools, `local_servers` at the usual ports,
`installed_clients` on PATH; `draft` puts together what was found, and `config_text` writes it down.
"""
