"""Changes made at runtime, stored so that they survive restarts.

`key_encryption` keeps keys from being readable on disk, `store` writes and reads the one file, `configuration` owns
what is in force: the file, the environment, and the changes over them. `admin_key` has the router's own key.
"""

from pointsman.overrides.admin_key import AdminKey, keep_admin_key, read_admin_key
from pointsman.overrides.configuration import Configuration
from pointsman.overrides.store import OverrideStore, data_folder

__all__ = ["AdminKey", "Configuration", "OverrideStore", "data_folder", "keep_admin_key", "read_admin_key"]
