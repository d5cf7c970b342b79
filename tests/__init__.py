"""Tests; the folders mirror the packages, and `support` holds what several of them share."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
