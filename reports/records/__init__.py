"""Read the files that trials left, and say what they hold."""


class NothingToReportError(ValueError):
    """The run folders hold no study, or not the one that was asked for."""
