"""For Beam's --setup_file, which names a setup.py; everything it says stands in pyproject.toml."""

import setuptools

setuptools.setup()
