"""What a person reads: Chinese or English by the locale; and errors that are told, not traced."""

import os
import sys


class ChainError(Exception):
    """Something a person can be told in a sentence; no traceback."""


def is_chinese():
    """Whether the locale asks for Chinese."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if os.environ.get(name):
            return os.environ[name].lower().startswith("zh")
    return False


def tr(english, chinese):
    """The one of two texts that the locale asks for."""
    return chinese if is_chinese() else english


is_quiet = False


def say(english, chinese):
    """Tell how far we are, on stderr, unless is_quiet was set."""
    if not is_quiet:
        print(tr(english, chinese), file=sys.stderr, flush=True)
