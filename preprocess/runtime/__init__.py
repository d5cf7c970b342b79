"""What every command shares: named errors, progress output, option help, signals and exit status.

May import: nothing of this project outside this package.
"""
