"""The commands that messages suggest, in a form that can be pasted."""

import shlex
import shutil
import sys
from pathlib import Path


def suggest(arguments: str, program: str = "jwst-mast") -> str:
    """A command line that works in the user's shell.

    Parameters
    ----------
    arguments : str
        ``proposals add 1138``
    program : str
        ``jwst-mast``, ``jwst_query.py`` or ``jwst_download.py``.

    Returns
    -------
    str
        With the program's full path if it is not on $PATH.
    """
    beside = Path(sys.executable).parent / program
    if not shutil.which(program) and beside.exists():
        program = shlex.quote(str(beside))
    return f"{program} {arguments}"
