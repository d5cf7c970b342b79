"""The file for Beam's --setup_file, which must be a setup.py. All settings are in pyproject.toml."""

import setuptools

setuptools.setup()
