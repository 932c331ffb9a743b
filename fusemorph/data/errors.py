"""The error of images that cannot serve."""


class DataError(ValueError):
    """A file or folder of images breaks a rule; the message begins with its path."""
