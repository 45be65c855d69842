"""Standard output and standard error of a plugin: lines of the worker's log.

Import it first. Without it, whatever prints traps: a plugin has no files.
"""

import io
import sys

from wit_world.imports import log


class Lines(io.TextIOBase):
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


sys.stdout = Lines(log.Level.INFO)
sys.stderr = Lines(log.Level.WARN)
