"""What a client asks of the router for one request: in headers of its own, or in `metadata` where it cannot set them.

>>> read_options({"x-pointsman-mode": "fast", "x-pointsman-hedge": "off"}, {}).asked()
{'mode': 'fast', 'hedge': False}
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from pointsman.config.enums import Mode
from pointsman.config.messages import suggestion
from pointsman.config.values import LONGEST_WAIT, parse_duration
from pointsman.wire.errors import Code, Problem
from pointsman.wire.jsontext import DuplicateMember, dumps, member_span, splice_raw, without_member

PREFIX = "x-pointsman-"
MAX_TIMEOUT = 3600.0
MAX_PROVIDERS = 50
MAX_SHOWN_NAME = 60
"""Characters of an option that is not known."""
AUTO = "auto-"


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """Times in seconds. `providers`: only these are asked; empty for all."""

    providers: tuple[str, ...] = ()
    mode: Mode | None = None
    fallback: bool = True
    hedge: bool = True
    recover: bool = True
    timeout: float | None = None
    """From the request to the first content."""
    max_wait: float | None = None

    def asked(self) -> dict[str, object]:
        """What differs from a request without options, in plain JSON types."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
        return {name: plain[name] for name, value in given.items() if value != getattr(NO_OPTIONS, name)}


NO_OPTIONS = RequestOptions()


def read_options(headers: Mapping[str, str], metadata: Mapping[str, Any]) -> RequestOptions:
    """Names of headers are in lower case; a header has precedence over the member of `metadata` that is named like it.
    Raises Problem (invalid_request), which names what is wrong.
    """
    given: dict[str, Any] = {
        name: value for written, value in metadata.items() if (name := written.lower()) in _READERS
    }
    given |= {name: headers[name] for name in _READERS.keys() & headers.keys()}
    return RequestOptions(**{_READERS[name][0]: _read(name, value) for name, value in given.items()})


def without_options(body: bytes, document: Mapping[str, Any]) -> bytes:
    """The request without them, as its provider may see it; `document` is what `body` parses to, and its `metadata` is
    an object. Raises Problem where it is given twice.
    """
    rest = {name: value for name, value in document["metadata"].items() if not is_option(name)}
    try:
        span = member_span(body, "metadata", document)
        assert span
        return splice_raw(body, span, dumps(rest)) if rest else without_member(body, "metadata", document)
    except DuplicateMember as error:
        raise Problem(Code.INVALID_REQUEST, f"{str(error).capitalize()}.", param="metadata") from None


def has_options(headers: Mapping[str, str]) -> bool:
    """Names in lower case. Options that are not known count too."""
    return any(name.startswith(PREFIX) for name in headers)


def is_option(name: str) -> bool:
    """Whether a member of `metadata` of this name is for the router, which may not know it."""
    return name.lower().startswith(PREFIX)


def unknown_options(headers: Mapping[str, str], metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """The names, in lower case, of what looks like an option and is none: most often a slip.

    >>> unknown_options({"x-pointsman-modle": "fast", "x-pointsman-mode": "fast"}, {})
    ('x-pointsman-modle',)
    """
    asked = {name.lower() for name in (*headers, *metadata) if is_option(name)}
    return tuple(sorted(asked - _READERS.keys()))


def describe_unknown(name: str) -> str:
    """In words, with the option that is probably meant."""
    shown = _as_header(name[:MAX_SHOWN_NAME])
    remedy = suggestion(shown, map(_as_header, _READERS)) or f"; known are {', '.join(map(_as_header, _READERS))}"
    return f"{shown!r} is not an option of a request and does nothing{remedy}"


def _read(name: str, value: Any) -> Any:
    try:
        return _READERS[name][1](value)
    except ValueError as error:
        message = f"{_as_header(name)} {error}, got {str(value)[:100]!r}."
        raise Problem(Code.INVALID_REQUEST, message, param=name) from None


def _as_header(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def _names(value: Any) -> tuple[str, ...]:
    written = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    names = tuple(dict.fromkeys(name.strip() for name in written.split(",") if name.strip()))
    if not 1 <= len(names) <= MAX_PROVIDERS:
        raise ValueError(f"must be the names of 1 to {MAX_PROVIDERS} providers, separated by commas")
    return names


def _mode(value: Any) -> Mode:
    word = str(value).strip().lower().removeprefix(AUTO)
    if word not in Mode:
        raise ValueError(f"must be one of {', '.join(Mode)}")
    return Mode(word)


def _switch(value: Any) -> bool:
    word = str(value).strip().lower()
    if word not in ("on", "off", "true", "false"):
        raise ValueError("must be on or off")
    return word in ("on", "true")


def _seconds(longest: float, none: bool = False) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        try:
            text = str(value).strip()
            if none and text.lower() in ("off", "0", "0s"):
                return 0.0
            seconds = float(text) if text.replace(".", "", 1).isdecimal() else parse_duration(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= longest:
            raise ValueError(f"must be {'off or ' if none else ''}a duration such as 10s, of at most {longest:g} s")
        return seconds

    return read


_READERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    f"{PREFIX}provider": ("providers", _names),
    f"{PREFIX}mode": ("mode", _mode),
    f"{PREFIX}fallback": ("fallback", _switch),
    f"{PREFIX}hedge": ("hedge", _switch),
    f"{PREFIX}recover": ("recover", _switch),
    f"{PREFIX}timeout": ("timeout", _seconds(MAX_TIMEOUT)),
    f"{PREFIX}max-wait": ("max_wait", _seconds(LONGEST_WAIT, none=True)),
}
