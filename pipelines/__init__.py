"""Commands: one file, one command; each parses, builds, runs and reports."""
