"""The errors that a person can do something about; each message is one sentence that says what."""


class JwstMastError(Exception):
    """Base class. Its text is shown to the user as it is, without a traceback."""


class ConfigError(JwstMastError):
    """A configuration value, option or file that cannot be used; the message names it."""


class ArchiveError(JwstMastError):
    """MAST could not be reached, refused, or sent something that is not what it should be."""


class ArchiveUnavailable(ArchiveError):
    """MAST did not answer, or answered that it cannot now (time-out, 429, 5xx)."""


class TokenError(ArchiveError):
    """MAST does not accept the token."""


class SchemaError(ArchiveError):
    """A reply of MAST lacks a column that the pipeline needs, or carries it in another type."""


class OutputError(JwstMastError):
    """The output folder cannot be used: not writable, full, or in the way of a file."""


class WrongArchive(OutputError):
    """The output folder was filled from another archive."""


class UnknownProposal(JwstMastError):
    """A partition names a proposal that is not registered."""


class NothingRecorded(JwstMastError):
    """The output folder has no record of what was asked for."""
