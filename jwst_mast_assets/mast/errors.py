"""The errors that a user can act on; each message is one sentence that says how.

Each class says whether the problem is permanent, so that retrying is useless until something changes, or
transient. Run retries, the sensor's attempts and the exit status of the commands follow from that.
"""


class JwstMastError(Exception):
    """Base class. Its text is shown to the user unchanged, without a traceback."""

    permanent = True
    """Whether it would fail again until the configuration or MAST changes."""

    @property
    def exit_status(self) -> int:
        """Of a command that ends with this error: 1 if calling it again may help, 2 if something must change first."""
        return 2 if self.permanent else 1


class ConfigError(JwstMastError):
    """A configuration value, option or file that cannot be used; the message names it."""


class ArchiveError(JwstMastError):
    """MAST could not be reached, refused the request, or sent something unexpected."""

    permanent = False


class ArchiveUnavailable(ArchiveError):
    """MAST did not answer, or is temporarily unable to (time-out, 429, 5xx)."""


class ArchiveUnreachable(ArchiveUnavailable):
    """There is no connection to MAST, or no time left: asking for less would not help."""


class SchemaError(ArchiveError):
    """A column that the pipeline needs is missing from a reply of MAST, or has the wrong type."""

    permanent = True


class OutputError(JwstMastError):
    """The output folder cannot be used: not writable, locked, or a file is in the way."""


class FolderMoved(OutputError):
    """The output folder was moved, or its disk unmounted, while a run was using it."""

    permanent = False


class TablesUnreachable(JwstMastError):
    """The place of the tables does not answer, which says nothing about what is recorded there."""

    permanent = False


class TablesRefused(TablesUnreachable):
    """The place of the tables gives no access to them, or does not exist."""

    @property
    def exit_status(self) -> int:
        """2: what is wrong is not in the config file, so a run may be tried again, but a person has to act."""
        return 2


class NoRoom(OutputError):
    """The disk is full, or has less free space than needed.

    Parameters
    ----------
    message : str
    needs : int
        Bytes that must be free before another attempt; 0 if unknown.
    """

    def __init__(self, message: str, needs: int = 0) -> None:
        super().__init__(message)
        self.needs = needs


class WrongArchive(ConfigError):
    """The output folder was filled from another archive."""


class UnknownProposal(JwstMastError):
    """A partition names a proposal that is not registered."""

    # The sensor asks only for registered proposals: if it asks again, it was registered again.
    permanent = False


class UnknownProgram(JwstMastError):
    """MAST has no such program, not even planned observations of one."""


class NothingRecorded(JwstMastError):
    """The output folder has no record of what was asked for."""
