"""The errors a user can meet. Each message says what came, what was wanted and what to do."""


class AttnMonitorError(Exception):
    """Anything that went wrong inside attn_monitor, so that one ``except`` can catch it all."""


class ConfigurationError(AttnMonitorError, ValueError):
    """An option, a loader or a directory that cannot work; raised before training starts."""


class NothingCapturedError(AttnMonitorError, RuntimeError):
    """The forward pass ran, and no attention was seen in it."""


class BatchNotUnderstoodError(AttnMonitorError, TypeError):
    """A batch whose tokens and lengths could not be told from its structure."""


class TokenLengthError(AttnMonitorError, ValueError):
    """The tokens given for a sentence do not match the length of its attention."""


class RunNotFoundError(AttnMonitorError, FileNotFoundError):
    """No recording under the given path."""


class CorruptRecordingError(AttnMonitorError, ValueError):
    """A file of the recording does not hold what its index promises."""


class MissingFileError(CorruptRecordingError, FileNotFoundError):
    """A file of the recording is not there."""


class NotRecordedError(AttnMonitorError, LookupError):
    """A step, part, probe or layer that the recording does not hold."""
