"""From case descriptions and a file listing to a plan: which film becomes which image, and what is left out and why.

No film is opened here.
May import: `contract`, `runtime`, `files` (the type of a listing).
"""
