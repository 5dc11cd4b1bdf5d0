"""What is special about a parameter, beside its type and default: marks on its field in :class:`config.Config`."""

from enum import Enum
from typing import NamedTuple

from pydantic.fields import FieldInfo


class Role(Enum):
    """A mark on a parameter's field."""

    SELECTS = "decides which of MAST's files are selected"
    PLACES = "decides which files are where on disk; as with SELECTS, another value makes complete days due again"
    SECRET = "its value is never shown; not in the launchpad"
    FILLED_IN_LATE = (
        "$NAME in it is replaced only on use: the launchpad shows the name, and $ can be part of an address"
    )
    PARTITION = "the partition stands for it in a run; not in the launchpad"
    PIPELINE = "used by sensors, schedules and checks; not in the launchpad, and no option of the commands"
    COMMAND = "used by the commands only; not in the launchpad"
    WHOLE_CALL = "applies to a command as a whole; not passed on to its runs"
    NO_OPTION = "has no option of its own on the command line"


class Flags(NamedTuple):
    """The original's other option names: ``Flags("-i")``; the first is always ``--<name>``."""

    first: str
    second: str = ""


class Spelling(NamedTuple):
    """Another spelling, which the original's documentation has, in the config file and as an option."""

    name: str


def roles(field: FieldInfo) -> set[Role]:
    """The roles of a parameter."""
    return {mark for mark in field.metadata if isinstance(mark, Role)}


def flags(field: FieldInfo) -> list[str]:
    """The short options of a parameter."""
    return [flag for mark in field.metadata if isinstance(mark, Flags) for flag in mark if flag]


def spellings(field: FieldInfo) -> list[str]:
    """The other spellings of a parameter."""
    return [mark.name for mark in field.metadata if isinstance(mark, Spelling)]
