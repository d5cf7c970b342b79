"""Formats texts and times for messages."""


def printable(text: str) -> str:
    """Escapes characters that would move a terminal's cursor, so that text from the data stays on one line."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def format_duration(seconds: float) -> str:
    """Formats seconds, e.g. "0.4 s", "12 s", "1:40 min", "4:18:20 h"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return (
        f"{hours}:{minute:02d}:{second:02d} h" if hours else f"{minute}:{second:02d} min" if minute else f"{second} s"
    )


def without_formula(path: str) -> str:
    """Returns a path as the text of a cell, with `./` before it if a spreadsheet would take it for a formula."""
    return f"./{path}" if path.startswith(("=", "+", "-", "@")) else path
