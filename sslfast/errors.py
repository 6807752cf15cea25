"""Errors meant for a person: one line that says what was found, what was expected and what to do."""

__all__ = ["ConfigError", "DataError", "RecordError", "ResultsError", "SslfastError"]


class SslfastError(Exception):
    """Base of every error that a user can mend. Its message is a single line."""

    def __init__(self, message: str):
        super().__init__(" ".join(str(message).split()))


class ConfigError(SslfastError):
    """A key of the config is unknown, missing or has a value that cannot work."""


class DataError(SslfastError):
    """A file or folder of images is missing, empty, unreadable or contradictory."""


class RecordError(SslfastError):
    """A file that sslfast wrote (split, encoder, record) is damaged or belongs to something else."""


class ResultsError(SslfastError):
    """A table of results lacks a column, contradicts itself, or mixes what cannot be compared."""
