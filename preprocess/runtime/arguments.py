"""Help texts of the command-line options."""

import argparse


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the default of every option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return (
            action.help
            if action.default in (None, "", False) or isinstance(action.default, list)
            else super()._get_help_string(action)
        )
