"""The kinds of single values: durations, sizes, counts, names, addresses.

The annotated types at the end read plain YAML values. A wrong one is a ValueError whose text is a sentence without
subject ("must be a positive integer"); the report puts the path in front and what was found behind.
`HiddenValueError` says that nothing may follow.
"""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import PlainValidator, SecretStr

from pointsman.config.header_names import belongs_to_router, holds_secret
from pointsman.config.messages import FromEnvironment, HiddenValueError
from pointsman.domain.engine_address import parse_address
from pointsman.domain.proxy_url import checked_proxy_url

SECOND_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTE_UNITS = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
DAY = SECOND_UNITS["d"]
TEN_YEARS = 3650 * DAY
LONGEST_WAIT = 30.0
"""Seconds for which a client's request may wait for a limit."""
MAX_CHAIN = 50
"""Names of a chain."""
MAX_COUNT = 10**12
"""No count in the configuration is larger: a longer number is a slip of the keyboard."""
MAX_LINE = 200
"""Characters of a name or of another text of one line."""
MAX_PRICE = 10**6

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What HTTP allows as the name of a header."""
VISIBLE = re.compile(r"[!-~]+")
"""Text that may stand in a header: ASCII without spaces."""
OTHER_REFERENCE = re.compile(
    r"(?:os\.environ/|process\.env\.|env:|\{env:|\$env:)(\w+)\}?|\$([A-Z_][A-Z0-9_]*)|%([A-Z_][A-Z0-9_]*)%", re.ASCII
)
"""How other tools and shells name an environment variable."""
MAX_HEADER = 1000
KEY_PREFIX = re.compile(r"[A-Za-z0-9._:-]{1,64}")
HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


class Unit(Enum):
    """What the number of a setting counts."""

    SECONDS = "seconds"
    BYTES = "bytes"


_UNITS: dict[Callable[..., Any], Unit] = {}
"""By the function that reads such a value; bounded by the fields that are declared."""


def unit_of(metadata: Sequence[object]) -> Unit | None:
    """The unit of a field with these annotations."""
    readers = (each.func for each in metadata if isinstance(each, PlainValidator))
    return next((unit for reader in readers if (unit := _UNITS.get(reader))), None)


def written(value: float, unit: Unit | None) -> str:
    """A number as a file would say it, in the largest unit that leaves nothing over.

    >>> written(2_592_000, Unit.SECONDS), written(67_108_864, Unit.BYTES), written(0.5, Unit.SECONDS)
    ('30 d', '64 MiB', '500 ms')
    """
    if unit is None or value == 0:
        return _plain(value)
    units: dict[str, float] = {**(SECOND_UNITS if unit is Unit.SECONDS else BYTE_UNITS)}
    for name, size in sorted(units.items(), key=lambda each: -each[1]):
        amount = value / size
        if amount >= 1 and amount == int(amount):
            return f"{int(amount)} {name}"
    return f"{_plain(value)} {'s' if unit is Unit.SECONDS else 'B'}"


def _plain(value: float) -> str:
    """Without an exponent."""
    return f"{value:.9f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def parse_duration(value: object) -> float:
    """Seconds from `15s`, `1.5m`, `500ms`, `2h`, `30d` or a number of seconds. Raises ValueError."""
    if isinstance(value, str):
        match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,9})?) ?(ms|s|m|h|d)?", value)
        if match is not None:
            return float(match[1]) * SECOND_UNITS[match[2] or "s"]
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT:
        return float(value)
    raise ValueError("must be a duration such as 500ms, 15s, 3m, 2h or 7d")


def parse_size(value: object) -> int:
    """Bytes from `64MiB`, `10MB`, `512KiB` or a number of bytes. Raises ValueError."""
    if isinstance(value, str):
        match = re.fullmatch(r"([0-9]{1,12}) ?(B|kB|KB|MB|GB|KiB|MiB|GiB)?", value)
        if match is not None:
            return int(match[1]) * BYTE_UNITS[match[2] or "B"]
    elif isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError("must be a size such as 64MiB, 500kB or a number of bytes")


def duration(*, longest: float = DAY, zero: bool = False, shortest: float = 0.0) -> PlainValidator:
    """A duration above zero (or from zero on), and from `shortest` up to `longest` seconds."""

    def read(value: object) -> float:
        seconds = parse_duration(value)
        if seconds > longest:
            limit = f"{longest / DAY:g}d" if longest >= DAY else f"{longest:g}s"
            raise ValueError(f"must be at most {limit}")
        if seconds < shortest:
            raise ValueError(f"must be at least {1000 * shortest:g}ms")
        if seconds == 0 and not zero:
            raise ValueError("must be more than 0")
        return seconds

    _UNITS[read] = Unit.SECONDS
    return PlainValidator(read)


def duration_or(*words: str) -> PlainValidator:
    """A duration above zero, or one of `words`: `off` is read as None, any other word as itself."""
    allowed = "".join(f", or {word}" for word in words)

    def read(value: object) -> float | str | None:
        if isinstance(value, str) and value in words:
            return None if value == "off" else str(value)
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            raise ValueError(f"{error}{allowed}") from None
        if not 0 < seconds <= DAY:
            raise ValueError(f"must be more than 0 and at most 1d{allowed}")
        return seconds

    _UNITS[read] = Unit.SECONDS
    return PlainValidator(read)


def _pause(value: object) -> float:
    """`off` is a pause without length."""
    if value == "off":
        return 0.0
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from None
    if seconds > DAY:
        raise ValueError("must be at most 1d")
    return seconds


_UNITS[_pause] = Unit.SECONDS


def _wait(value: object) -> float:
    seconds = _pause(value)
    if seconds > LONGEST_WAIT:
        raise ValueError(f"must be at most {LONGEST_WAIT:g}s, or off")
    return seconds


_UNITS[_wait] = Unit.SECONDS


def count(high: int = MAX_COUNT) -> PlainValidator:
    """An integer from 1 to `high`."""
    sentence = "must be a positive integer" if high == MAX_COUNT else f"must be an integer from 1 to {high}"

    def read(value: object) -> int:
        if isinstance(value, FromEnvironment) and re.fullmatch(r"[0-9]{1,13}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(sentence)
        if value > high:
            raise ValueError(f"must be at most {high}")
        return value

    return PlainValidator(read)


def size(high: int, low: int = 1) -> PlainValidator:
    """A number of bytes from `low` to `high`."""

    def read(value: object) -> int:
        if not low <= (amount := parse_size(value)) <= high:
            raise ValueError(f"must be from {low} to {high} bytes")
        return amount

    _UNITS[read] = Unit.BYTES
    return PlainValidator(read)


def _weight(value: object) -> float:
    if isinstance(value, FromEnvironment) and re.fullmatch(r"[0-9]{0,6}(\.[0-9]{1,9})?", value) and value:
        value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1000:
        raise ValueError("must be a number from 0 to 1000")
    return float(value)


def _price(value: object) -> Decimal:
    if isinstance(value, FromEnvironment) and re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,9})?", value):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not 0 <= value <= MAX_PRICE:
        raise ValueError(f"must be dollars for a million tokens, a number from 0 to {MAX_PRICE}")
    price = Decimal(str(value))
    if price != round(price, 6):
        raise ValueError("must have at most six decimals")
    return price


FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _flag(value: object) -> bool:
    if isinstance(value, FromEnvironment):
        value = FLAGS.get(value.lower(), value)
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _smart_first(value: object) -> int:
    try:
        return int(_flag(value))
    except ValueError:
        pass
    if not isinstance(value, int) or not 1 <= value <= 1000:
        raise ValueError("must be true, false or an integer from 1 to 1000")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        remedy = "; put it in quotes" if isinstance(value, int | float) else ""
        raise ValueError(f"must be text{remedy}")
    return str(value)


def is_line(text: str) -> bool:
    """It says something, and nothing that cannot be shown."""
    return bool(text.strip()) and text.isprintable() and len(text) <= MAX_LINE


def _line(value: object) -> str:
    text = _text(value)
    if not is_line(text):
        raise ValueError(f"must be one line of 1 to {MAX_LINE} characters")
    return text


def _name(value: object) -> str:
    text = _text(value)
    if not VISIBLE.fullmatch(text) or len(text) > 200:
        raise ValueError("must be 1 to 200 visible ASCII characters without spaces")
    return text


def _alias_meaning(value: object) -> str | tuple[str, ...]:
    """A name, or a chain of at least one; a chain of one name is that name."""
    if not isinstance(value, list | tuple):
        return _name(value)
    if not 1 <= len(value) <= MAX_CHAIN:
        raise ValueError(f"must be a name, or a list of 1 to {MAX_CHAIN} names that are tried in this order")
    names = tuple(map(_name, value))
    if len(set(names)) < len(names):
        raise ValueError("must not name the same thing twice")
    return names if len(names) > 1 else names[0]


def _error_status(value: object) -> str:
    """As text: what stands as a key is text in some files and a number in others."""
    text = str(value)
    if not re.fullmatch(r"[45][0-9]{2}", text):
        raise ValueError("must be an error status, 400 to 599")
    return text


def read_secret(value: object) -> SecretStr:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None:
        raise HiddenValueError("has no value; set one or remove it")
    text = _text(value)
    if not text:
        raise HiddenValueError("must not be empty; remove it if it is not needed")
    if not VISIBLE.fullmatch(text):
        raise HiddenValueError("must be visible ASCII characters without spaces or line ends")
    if found := OTHER_REFERENCE.fullmatch(text):
        raise HiddenValueError(_not_a_secret(value, next(filter(None, found.groups()))))
    return SecretStr(text)


def _not_a_secret(value: object, name: str) -> str:
    if isinstance(value, FromEnvironment):
        return f"is not a key: {value.variable} contains the name of a variable; set it to the key itself"
    return f"is not a key but names an environment variable in another form; write ${{{name}}}"


def _header_name(value: object) -> str:
    text = _text(value)
    if not TOKEN.fullmatch(text) or len(text) > 100:
        raise ValueError("must be the name of a header, such as X-Session-ID")
    return text


def _own_header_name(value: object) -> str:
    """For a request to a provider: what neither authorizes it nor belongs to the connection."""
    name = _header_name(value)
    if holds_secret(name):
        raise ValueError("must not be a header for a credential; write it in `keys`")
    if belongs_to_router(name):
        raise ValueError("must not be a header that the router sets itself")
    return name


def _header_value(value: object) -> str:
    text = _text(value)
    if not text.isascii() or not text.isprintable() or text != text.strip() or not 1 <= len(text) <= MAX_HEADER:
        raise ValueError(f"must be one line of 1 to {MAX_HEADER} ASCII characters, without spaces at its ends")
    return text


def _header_prefix(value: object) -> str:
    text = _text(value)
    if not TOKEN.fullmatch(text) or not text.endswith("-") or len(text) > 40:
        raise ValueError('must be the beginning of a header\'s name, ending in "-", such as X-')
    return text


def _host(value: object) -> str:
    text = _text(value).lower()
    if not HOST.fullmatch(text):
        raise ValueError("must be a bare host name, such as api.openai.com, without scheme, port or path")
    return text


ENDPOINTS = ("/chat/completions", "/responses", "/messages", "/models")


def _base_url(value: object) -> str:
    text = _text(value)
    example = "must be an absolute http or https URL, such as https://api.groq.com/openai/v1"
    if "@" in text:
        raise HiddenValueError("must not contain a user name or password; the credential belongs in keys")
    if "?" in text or "#" in text:
        raise HiddenValueError("must not contain a query or a fragment; a credential belongs in keys")
    try:
        url = urlsplit(text)
        absolute = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        raise ValueError(example) from None
    if not absolute or not VISIBLE.fullmatch(text):
        raise ValueError(example)
    text = text.rstrip("/")
    if ending := next((ending for ending in ENDPOINTS if text.endswith(ending)), None):
        raise ValueError(f"must end before {ending}")
    return text


def _collector_url(value: object) -> str:
    text = _text(value)
    if "@" in text or "?" in text or "#" in text:
        raise HiddenValueError("must have no user name, password, query or fragment; see OTEL_EXPORTER_OTLP_HEADERS")
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or not VISIBLE.fullmatch(text):
        raise ValueError("must be an absolute http or https URL, such as http://127.0.0.1:4318")
    return text.rstrip("/")


def _proxy(value: object) -> SecretStr:
    text = _text(value.get_secret_value() if isinstance(value, SecretStr) else value)
    try:
        return SecretStr(checked_proxy_url(text))
    except ValueError as error:
        raise HiddenValueError(str(error)) from None


def _engine_url(value: object) -> SecretStr:
    text = _text(value.get_secret_value() if isinstance(value, SecretStr) else value)
    try:
        parse_address(text)
    except ValueError as error:
        raise HiddenValueError(str(error)) from None
    return SecretStr(text)


def _key_prefix(value: object) -> str:
    text = _text(value)
    if not KEY_PREFIX.fullmatch(text):
        raise ValueError("must consist of 1 to 64 letters, digits, dots, dashes, underscores and colons")
    return text


def read_path(value: object) -> Path | None:
    """`off` is None; a `~` at the beginning is the home directory. Raises ValueError."""
    text = _line(value)
    try:
        return None if text == "off" else Path(text).expanduser()
    except RuntimeError:
        raise ValueError("must be a path; its ~ matches no home directory") from None


def unique[T](items: Sequence[T]) -> Sequence[T]:
    """Refuses a list that says the same thing twice, whatever its case."""
    words = [str(item).lower() for item in items]
    for index, word in enumerate(words):
        if (first := words.index(word)) != index:
            raise HiddenValueError(f"repeats an entry, at [{first}] and [{index}]; remove one")
    return items


Timer = Annotated[float, duration()]
Tick = Annotated[float, duration(longest=1.0, shortest=0.005)]
EngineTimeout = Annotated[float, duration(longest=1.0, shortest=0.001)]
Span = Annotated[float, duration(longest=TEN_YEARS)]
Grace = Annotated[float, duration(zero=True)]
QueueWait = Annotated[float, PlainValidator(_wait)]
Pause = Annotated[float, PlainValidator(_pause)]
TimerOrOff = Annotated[float | None, duration_or("off")]
HedgeAfter = Annotated[float | Literal["auto"] | None, duration_or("off", "auto")]
Price = Annotated[Decimal, PlainValidator(_price)]
Weight = Annotated[float, PlainValidator(_weight)]
Flag = Annotated[bool, PlainValidator(_flag)]
SmartFirst = Annotated[int, PlainValidator(_smart_first)]
Line = Annotated[str, PlainValidator(_line)]
Name = Annotated[str, PlainValidator(_name)]
AliasMeaning = Annotated[str | tuple[str, ...], PlainValidator(_alias_meaning)]
ErrorStatus = Annotated[str, PlainValidator(_error_status)]
Priority = Annotated[int, count(100)]
Secret = Annotated[SecretStr, PlainValidator(read_secret)]
MaybeSecret = Annotated[SecretStr | None, PlainValidator(read_secret)]
HeaderName = Annotated[str, PlainValidator(_header_name)]
OwnHeaderName = Annotated[str, PlainValidator(_own_header_name)]
HeaderValue = Annotated[str, PlainValidator(_header_value)]
HeaderPrefix = Annotated[str, PlainValidator(_header_prefix)]
Host = Annotated[str, PlainValidator(_host)]
BaseUrl = Annotated[str, PlainValidator(_base_url)]
CollectorUrl = Annotated[str, PlainValidator(_collector_url)]
EngineUrl = Annotated[SecretStr, PlainValidator(_engine_url)]
KeyPrefix = Annotated[str, PlainValidator(_key_prefix)]
ProxyUrl = Annotated[SecretStr, PlainValidator(_proxy)]
File = Annotated[Path | None, PlainValidator(read_path)]
Limit = Annotated[int, count()] | None
Rank = Annotated[int, count(1000)] | None
Tree = dict[str, Any]
"""A mapping as YAML gives it: text, numbers, flags, None, lists and further mappings."""
