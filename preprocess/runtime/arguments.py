"""Command-line parsers: their help texts, and errors of one line that name the nearest option."""

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NoReturn

from preprocess.runtime.errors import InputError

_NEAR = 0.5  # least similarity of an option that is suggested, from 0 to 1
_OPTION = re.compile(r"-+[^\W\d][^ ]*|[\u2010-\u2015\u2212]+[^\W\d][\w-]*")  # also with a typographic dash
_DASHES = re.compile(r"[-\u2010-\u2015\u2212]+")
_HELP = {"-h", "--help"}


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the default of every option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return (
            action.help
            if action.default in (None, "", False) or isinstance(action.default, list)
            else super()._get_help_string(action)
        )


class CommandParser(argparse.ArgumentParser):
    """A parser of a command line whose errors are an InputError of one line.

    An unknown option is reported first, because a required option may be missing only because its name is misspelt.

    Args:
        elsewhere: returns the names of further options that this parser does not read and the command accepts.
    """

    def __init__(self, *args: Any, elsewhere: Callable[[], Collection[str]] = tuple, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._elsewhere = elsewhere

    def known_options(self) -> set[str]:
        """Returns the names of all options of the command, those of its subcommands included."""
        known = {*self._option_string_actions, *self._elsewhere()}  # argparse has no public list of its options
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                known.update(*(parser.known_options() for parser in action.choices.values()))
        return known

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        """Checks the names of the options, and then parses the command line like `argparse`.

        Raises:
            InputError: an unknown option, an invalid value, or a missing option.
            SystemExit: --help.
        """
        words = sys.argv[1:] if args is None else list(args)
        self._check_names(words)
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Called by `argparse` for a wrong command line.

        Raises:
            InputError: always.
        """
        raise InputError(f"{message}; --help lists the options")

    def _check_names(self, words: Sequence[str]) -> None:
        if "--" in words:
            words = words[: words.index("--")]
        names = [word.split("=")[0] for word in words]
        unknown = [name for name in names if _OPTION.fullmatch(name) and name not in self._option_string_actions]
        if not unknown or not _HELP.isdisjoint(names):
            return
        known = self.known_options()
        for name in unknown:
            if name not in known:
                near = _nearest(name, known)
                question = f" did you mean {near}?" if near else ""
                raise InputError(f"unknown option {name};{question} --help lists the options")


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known option whose name is most similar, if one is similar."""
    plain = "--" + _DASHES.sub("", name, count=1).lower()
    near = difflib.get_close_matches(plain, sorted(known), n=1, cutoff=_NEAR)
    return near[0] if near else None
