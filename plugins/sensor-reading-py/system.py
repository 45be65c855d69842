"""What Python asks of an operating system, as far as a plugin has one.

Import it first. What is printed goes to the worker's log, and the time is the one that the plugin
sets, which is the record's. Files, sockets and other clocks trap.
"""

import io
import sys
import time

from wit_world.imports import log

_millis = 0


def set_time(millis):
    """Sets what `time.time()` gives, in milliseconds since 1970; None is 1970 itself."""
    global _millis
    _millis = millis or 0


class _Lines(io.TextIOBase):
    """Text whose lines go to the log."""

    def __init__(self, level):
        self.level, self.begun = level, ""

    def writable(self):
        return True

    def write(self, text):
        *whole, self.begun = (self.begun + text).split("\n")
        for line in whole:
            log.log(self.level, line)
        return len(text)


time.time = lambda: _millis / 1000
time.time_ns = lambda: _millis * 1_000_000
sys.stdout = _Lines(log.Level.INFO)
sys.stderr = _Lines(log.Level.WARN)
