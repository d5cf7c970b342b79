"""The result of listing a folder of films."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file below a root.

    Attributes:
        bytes: its size.
        version: a text that changes when the file does: size and time, or the object's generation and checksum.
        target: if the file is below a linked folder, its real path below the root; otherwise empty.
    """

    bytes: int
    version: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files below a root.

    Attributes:
        files: path below the root, with `/` between folders -> file.
        links_out: linked folders that lead out of the root and are not followed.
    """

    files: Mapping[str, ListedFile]
    links_out: tuple[str, ...] = field(default=())
