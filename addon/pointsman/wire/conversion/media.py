"""Images, documents and sound within a conversation, whichever dialect they came in."""

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from pointsman.wire.json_access import Members, text

IMAGE, PDF = "image/*", "application/pdf"
TEXT_KINDS = ("application/json", "application/xml", "application/yaml", "application/x-yaml", "application/javascript")
"""Media types that are text, besides `text/…`."""
KINDS = {
    "pdf": PDF, "txt": "text/plain", "md": "text/markdown", "csv": "text/csv", "html": "text/html",
    "xml": "application/xml", "json": "application/json", "yaml": "application/yaml", "yml": "application/yaml",
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
    "wav": "audio/wav", "mp3": "audio/mpeg",
}  # fmt: skip
"""Media types by the endings of names."""
LONGEST_SHOWN_URL = 200


@dataclass(frozen=True, slots=True)
class Media:
    """`kind` is a media type, `image/*` where only that much is known; `data` is base64. `file_id` is what one provider
    calls a file that it keeps; `detail` is how closely OpenAI's models look at an image.
    """

    kind: str
    data: str = ""
    url: str = ""
    file_id: str = ""
    name: str = ""
    detail: str = ""

    @property
    def is_image(self) -> bool:
        return self.kind.startswith("image/")

    @property
    def is_sound(self) -> bool:
        return self.kind.startswith("audio/")

    @property
    def noun(self) -> str:
        return "image" if self.is_image else "audio" if self.is_sound else "file"

    def data_url(self) -> str:
        return f"data:{self.kind};base64,{self.data}"

    def as_text(self) -> str | None:
        """The words of a text document; None for anything else."""
        if not self.data or not (self.kind.startswith("text/") or self.kind in TEXT_KINDS):
            return None
        try:
            return named_text(self.name, base64.b64decode(self.data, validate=False).decode())
        except (binascii.Error, ValueError):
            return None

    def generated_placeholder(self, size: int) -> str:
        """The text that stands for media of the model's own that the client cannot be given. `size`: of `data`."""
        if self.url:
            return f"[{self.noun}: {self.url}]"
        return f"[{self.kind} {self.noun}, {_in_words(size * 3 // 4)}: cannot be shown here]"

    def placeholder(self) -> str:
        """The text that stands for media that the model cannot be given."""
        url = self.url if len(self.url) <= LONGEST_SHOWN_URL else ""
        return f"[{' '.join(filter(None, [self.noun, self.name or url or self.kind]))}]"


def _in_words(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1_000_000 else f"{-(-size // 1000)} kB"


def named_text(name: str, words: str) -> str:
    """A document as a part of a text."""
    return f'<document name="{name}">\n{words}\n</document>' if name else words


def of_url(url: str, kind: str = "", name: str = "", detail: str = "") -> Media:
    """Of a `data:` URL, or any other. `kind` is for URLs that do not say it."""
    if not url.startswith("data:"):
        return Media(kind or kind_of_name(url.partition("?")[0]), url=url, name=name, detail=detail)
    head, _, data = url[len("data:") :].partition(",")
    said, *parameters = head.split(";")
    if "base64" not in parameters:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return Media(said or kind or "text/plain", data=data, name=name, detail=detail)


def of_input_audio(given: Members) -> Media:
    """Sound as both of OpenAI's dialects have it: `{"data": "…", "format": "wav"}`."""
    kind = text(given.get("format")) or "wav"
    return Media("audio/mpeg" if kind == "mp3" else f"audio/{kind}", data=text(given.get("data")))


def kind_of_name(name: str) -> str:
    """A media type by the ending of a file's name; empty if it is not known."""
    return KINDS.get(name.rpartition(".")[2].lower(), "")
