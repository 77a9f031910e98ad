"""The hashing secret that all instances share, kept in the data folder and readable by its owner alone: a start without
the engine uses it.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes

from pointsman import private_files
from pointsman.overrides.atomic_file import write_atomically
from pointsman.shared.secret_part import SECRET_BYTES

logger = logging.getLogger(__name__)

FILE = "shared-secret.key"


@dataclass(frozen=True, slots=True)
class SharedSecretFile:
    """Without a `folder` nothing is kept."""

    folder: Path | None

    def read(self) -> bytes:
        """The kept secret; a new one if there is none, or it cannot be used."""
        try:
            if self.folder:
                private_files.check_folder(self.folder)
                secret = bytes.fromhex(private_files.read(self.folder / FILE).decode("ascii", "replace"))
                if len(secret) == SECRET_BYTES:
                    return secret
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            logger.warning(f"Pointsman: shared state: {FILE} in {self.folder} cannot be used ({error}).")
        return token_bytes(SECRET_BYTES)

    def keep(self, secret: bytes) -> None:
        if self.folder is None:
            return
        try:
            write_atomically(self.folder / FILE, f"{secret.hex()}\n".encode())
        except OSError as error:
            logger.warning(f"Pointsman: shared state: the secret cannot be kept in {self.folder} ({error}).")
