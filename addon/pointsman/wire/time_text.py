"""Times as providers write them: durations, moments, and either of them in a sentence.

    duration("7m12.5s") == 432.5
    moment("2026-11-27T08:00:30Z", clock) == 30.0     # with a `clock` at 08:00:00
    stated_wait("Please try again in 6m0s.") == 360.0
    stated_moment("Your limit will reset at 3:45 PM (UTC).") == "3:45 pm (utc)"

Text is bounded before it is read, and every pattern takes time in proportion to it. Nothing here raises.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

EPOCH = 1e9
"""A greater number of seconds is a moment, not a wait."""
EPOCH_MS = 1e12
DAY = 86_400.0
MAX_VALUE = 80
"""Characters of one time; what is longer is none."""
MAX_TEXT = 4096
"""Characters of a sentence that are read."""
JUST_PASSED = 300.0
"""Seconds for which a time of the day has passed; later on, it is tomorrow's."""

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY}
NUMBER = r"\d{1,13}(?:\.\d{1,12})?"
UNIT = r"(?:milliseconds?|millis|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)"
PART = re.compile(rf"({NUMBER}) ?({UNIT})")
DURATION = rf"{NUMBER} ?{UNIT}(?:(?: ?,)?(?: ?and)? ?{NUMBER} ?{UNIT})*(?![a-z])"

SOON = (
    r"(?:again|retry|retrying|wait|back|reset(?:s|ting)?|renews?|refresh(?:es)?|refills?|replenish(?:es)?|lifted"
    r"|available(?= (?:again|in|after|from|at|on)\b)|cool(?:ing|s)?[ -]?down)"
)
BETWEEN = r"\b[^.\d]{0,40}?"
COUNTED = r"(?<!requests )(?<!messages )(?<!tokens )(?<!calls )"
WAITS = (
    re.compile(rf"\b{SOON}{BETWEEN}(?<![-\w.])({DURATION})"),
    re.compile(rf"{COUNTED}\bin (?:about |approximately |at least )?({DURATION})"),
)
"""The first that matches counts. "100 requests in 24 hours" is a limit."""
SPANS = (
    (re.compile(rf"\b{SOON}{BETWEEN}\b(?:in|after|for) (\d{{1,3}}):(\d\d):(\d\d)\b"), (3600.0, 60.0, 1.0)),
    (re.compile(rf"\b{SOON}{BETWEEN}\b(?:in|after) (?:about |less than )?an? (?:(hour)|(minute)|(second)|(day))\b"),
     (3600.0, 60.0, 1.0, DAY)),
    (re.compile(r"(\d{1,7}) ?秒钟?之?后"), (1.0,)),
    (re.compile(r"(\d{1,5}) ?分钟?之?后"), (60.0,)),
    (re.compile(r"(\d{1,4}) ?个?小时之?后"), (3600.0,)),
    (re.compile(r"(\d{1,3}) ?天之?后"), (DAY,)),
    (re.compile(r"\bretry[ _-]?after\b[ :=\"']{0,4}(\d{1,7}(?:\.\d{1,9})?)\b(?![.:/-]\d| ?[a-z%])"), (1.0,)),
)  # fmt: skip
"""The seconds of each group."""

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
CLOCK = r"(\d{1,2})(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(?: ?([ap])\.?m\b\.?)?"
IS_CLOCK = r"(?=\d{1,2}(?::\d\d| ?[ap]\.?m\b))"
"""A bare number is no time of the day."""
HOURS = {
    "z": 0.0, "utc": 0.0, "gmt": 0.0, "wet": 0.0, "bst": 1.0, "cet": 1.0, "cest": 2.0, "eet": 2.0, "ist": 5.5,
    "sgt": 8.0, "jst": 9.0, "kst": 9.0, "edt": -4.0, "est": -5.0, "cdt": -5.0, "cst": -6.0, "mdt": -6.0, "mst": -7.0,
    "pdt": -7.0, "pst": -8.0,
}  # fmt: skip
"""What zones are ahead of UTC."""
REGIONS = {"et": "America/New_York", "ct": "America/Chicago", "mt": "America/Denver", "pt": "America/Los_Angeles"}
OFFSET = r"([+-]\d{1,2})(?::?(\d\d))?"
NAMES = "|".join([*HOURS, *REGIONS])
ZONE = rf"(?: ?\(?(?:(?:utc|gmt)? ?{OFFSET}\b|({NAMES})\b|([a-z_]{{2,20}}(?:/[a-z_-]{{2,30}}){{1,2}}))\)?)?"
MOMENT = re.compile(
    rf"(?:(?:[a-z]{{3,9}},? )?"
    rf"(?:(\d{{4}})[-/](\d\d)[-/](\d\d)"
    rf"|({MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?(?:,? (\d{{4}})\b)?"
    rf"|(\d{{1,2}})(?:st|nd|rd|th)? ({MONTH})(?:,? (\d{{4}})\b)?)"
    rf"(?:(?:t|,? (?:at )?){IS_CLOCK}{CLOCK})?|{IS_CLOCK}{CLOCK}){ZONE}"
)
MOMENTS = re.compile(
    rf"(?:\b(?:{SOON}|until|access){BETWEEN}\b|\blimit reached\|)({MOMENT.pattern}|\d{{10}}\b|\d{{13}}\b)"
)
"""A sentence may name a Unix time as well; "usage limit reached|1764244800" is one."""
CHINESE_MOMENT = re.compile(
    r"(?:重置|恢复|刷新)时间\D{0,4}(\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?)"
    r"|(\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?)\D{0,8}(?:重置|恢复|刷新|重试|再试)"
)
CHINESE_ZONE = "+08:00"


def duration(value: str) -> float | None:
    """Seconds in `7m12.5s`, `250ms`, `2 hours`, `PT30S`, or a bare number of seconds; None for anything else."""
    value = _plain(value, MAX_VALUE).removeprefix("pt")
    if re.fullmatch(NUMBER, value):
        return float(value)
    return _sum(value) if re.fullmatch(DURATION, value) else None


def moment(value: str, clock: float) -> float | None:
    """Seconds from `clock` (Unix time) on: a number of them, a duration, a Unix time in seconds or milliseconds, a
    date, or a time of the day. What has passed is 0. Without a zone it is in UTC.
    """
    value = _plain(value, MAX_VALUE)
    if re.fullmatch(NUMBER, value):
        number = float(value)
        if number >= EPOCH_MS:
            number /= 1000
        return max(0.0, number - clock) if number >= EPOCH else number
    if (seconds := duration(value)) is not None:
        return seconds
    found = MOMENT.fullmatch(value)
    try:
        return _until(found, clock) if found else None
    except (ValueError, OverflowError, OSError):
        return None


def stated_wait(sentence: str) -> float | None:
    """The wait that a sentence asks for in words, in seconds."""
    sentence = _plain(sentence, MAX_TEXT)
    for pattern in WAITS:
        if found := pattern.search(sentence):
            return _sum(found[1])
    for pattern, seconds in SPANS:
        if found := pattern.search(sentence):
            return sum(_times(number, each) for number, each in zip(found.groups(), seconds, strict=True))
    return None


def stated_moment(sentence: str) -> str | None:
    """The moment that a sentence names as the one to come back at, in a form for `moment`."""
    plain = _plain(sentence, MAX_TEXT).replace("midnight", "00:00").replace("pacific time", "pt")
    if found := CHINESE_MOMENT.search(plain):
        return f"{found[1] or found[2]} {CHINESE_ZONE}"
    found = MOMENTS.search(plain)
    return found[1].strip() if found and moment(found[1], 0.0) is not None else None


def _plain(text: str, limit: int) -> str:
    """In lower case, with single blanks and without thousands separators; nothing, if a value is too long."""
    if len(text) > limit:
        text = text[:limit] if limit == MAX_TEXT else ""
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", " ".join(text.lower().split()))


def _sum(text: str) -> float:
    return sum(float(number) * UNITS[_unit(word)] for number, word in PART.findall(text))


def _unit(word: str) -> str:
    return "ms" if word.startswith(("ms", "milli")) else word[0]


def _times(number: str | None, seconds: float) -> float:
    """A word in place of a number is one."""
    return 0.0 if number is None else seconds * (float(number) if number[0].isdigit() else 1)


def _until(found: re.Match[str], clock: float) -> float:
    """Raises ValueError or OverflowError for a date or time that there is none of."""
    year, month, day, month_1, day_1, year_1, day_2, month_2, year_2, *rest = found.groups()
    dated, alone, (ahead, minutes, name, region) = rest[:5], rest[5:10], rest[10:]
    now = datetime.fromtimestamp(clock, _zone(ahead, minutes, name, region))
    if alone[0]:
        passed = clock - (at := _at_time(now, alone)).timestamp()
        return max(0.0, -passed) if passed < JUST_PASSED else (at + timedelta(days=1)).timestamp() - clock
    number = int(month) if month else MONTHS.index((month_1 or month_2)[:3]) + 1
    date = now.replace(int(year or year_1 or year_2 or now.year), number, int(day or day_1 or day_2))
    at = _at_time(date, dated)
    if not (year or year_1 or year_2) and at.timestamp() < clock - DAY:
        at = at.replace(at.year + 1)
    return max(0.0, at.timestamp() - clock)


def _at_time(date: datetime, parts: Sequence[str | None]) -> datetime:
    """Of that day; midnight without `parts`, which are hour, minute, second, fraction, and `a` or `p`."""
    hour, minute, second, fraction, half = parts
    hours = int(hour or 0)
    if half:
        if not 1 <= hours <= 12:
            raise ValueError("no such hour")
        hours = hours % 12 + 12 * (half == "p")
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    return date.replace(hour=hours, minute=int(minute or 0), second=int(second or 0), microsecond=micro)


def _zone(ahead: str | None, minutes: str | None, name: str | None, region: str | None) -> tzinfo:
    if ahead:
        offset = timedelta(hours=abs(int(ahead)), minutes=int(minutes or 0))
        return timezone(-offset if ahead.startswith("-") else offset)
    if name in HOURS:
        return timezone(timedelta(hours=HOURS[name]))
    return _region(REGIONS.get(name or "") or region) if name or region else UTC


def _capitalized(word: re.Match[str]) -> str:
    """`Port_of_Spain` and `Port-au-Prince` have small words."""
    return word[0] if word[0] in ("of", "au", "es") else word[0].capitalize()


@lru_cache(maxsize=64)
def _region(name: str | None) -> tzinfo:
    """By its name, in whatever case; UTC where it is not known."""
    try:
        return ZoneInfo(re.sub(r"[a-z]+", _capitalized, (name or "").lower()))
    except (KeyError, ValueError, OSError):
        return UTC
