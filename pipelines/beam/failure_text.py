"""Finds the cause of a failed job in the message of a runner."""

import re

from preprocess.runtime.errors import InputError, RunFailed

_STEP = re.compile(r" \[while running '[^']*'\]")
_OWN = re.compile(r"preprocess\.runtime\.errors\.(InputError|RunFailed): (.*)")
_TRACEBACK = "Traceback (most recent call last):"
_TRAILER = re.compile(r"passed through:|==>|(dist_proc|third_party)/\S+:\d+\)?")
"""Lines in which Runner v2 of Dataflow lists the places in its own code that an error has passed."""


def without_step(message: str) -> str:
    """Removes the name of the step, which Beam adds to the message of an exception."""
    return _STEP.sub("", message)


def own_error(text: str) -> InputError | RunFailed | None:
    """Returns the last error of this project that a message contains in any of its lines; None if there is none."""
    found = _OWN.findall(without_step(text))
    if not found:
        return None
    name, message = found[-1]
    return (InputError if name == "InputError" else RunFailed)(message.rstrip(" ,"))


def last_cause(text: str) -> str:
    """Returns the line of a message that says why the job failed.

    It is the exception below the last traceback that has one, or the last line. Lines that name places in the code of
    the Dataflow service are passed over.
    """
    lines = [line for line in without_step(text).splitlines() if line.strip() and not _TRAILER.fullmatch(line.strip())]
    cause = lines[-1].strip() if lines else ""
    for number, line in enumerate(lines):
        if line.endswith(_TRACEBACK):
            indent = len(line) - len(line.lstrip())
            below = (other for other in lines[number + 1 :] if len(other) - len(other.lstrip()) <= indent)
            cause = next(below, cause).strip()
    return cause
