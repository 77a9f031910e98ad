"""Masking of log records: no secret reaches a log, whichever module writes it."""

import logging
import traceback
from collections.abc import Callable
from typing import Any

from pointsman.masking import Masker


def mask_logs(masker: Callable[[], Masker]) -> Callable[[], None]:
    """From now on every log record of this process is masked. Returns what ends it.

    Handlers come and go with mitmproxy's tools and format tracebacks each in its own way, so records are masked when
    they are made.
    """
    make = logging.getLogRecordFactory()
    is_over = False

    def make_masked(*args: Any, **more: Any) -> logging.LogRecord:
        record = make(*args, **more)
        if not is_over:
            _mask(record, masker())
        return record

    def end() -> None:
        nonlocal is_over
        is_over = True  # should another factory have been set since, this one stays beneath it
        if logging.getLogRecordFactory() is make_masked:
            logging.setLogRecordFactory(make)

    logging.setLogRecordFactory(make_masked)
    return end


def _mask(record: logging.LogRecord, masker: Masker) -> None:
    try:
        said = record.getMessage()
    except Exception:  # its arguments do not fit, which logging itself reports
        return
    masked = masker.text(said)
    if record.exc_info and record.exc_info[0] is not None:
        trace = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        if (masked_trace := masker.text(trace)) != trace:
            masked, record.exc_info = f"{masked}\n{masked_trace}", None
    if masked != said:
        record.msg, record.args = masked, ()
