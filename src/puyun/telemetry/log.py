"""Logs: one JSON object a line on standard error, or short text on a terminal."""

import json
import logging
import sys

from typing_extensions import override

from puyun.kit.clock import Clock, format_instant

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class JsonLines(logging.Formatter):
    """`extra` fields of a record become fields of its object."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    @override
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": format_instant(self._clock.now()),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= {"logger": record.name} | _extra(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class Terse(logging.Formatter):
    """For a person who watches."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in _extra(record).items())
        text = f"{record.levelname.lower():8} {record.getMessage()} {fields}".rstrip()
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def set_up(clock: Clock) -> None:
    """Warnings and worse from everybody, what we have to say from us."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Terse() if sys.stderr.isatty() else JsonLines(clock))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("puyun").setLevel(logging.INFO)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}
