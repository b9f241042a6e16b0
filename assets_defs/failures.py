"""What is tried again and what is not: a step that fails says which class its failure is of.

    @dg.asset(retry_policy=retry_transient)
    @classified
    def tokens(context, data_set): ...

Transient ones (network, timeouts, a folder that another run is writing to) are tried again with back-off. All
others (wrong configuration, a full disk, a bug) would fail the same way again and are not.
"""

import errno
import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import dagster as dg

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

retry_transient = dg.RetryPolicy(
    max_retries=4, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)
"""Waits 5, 10, 20 and 40 seconds, give or take."""

LASTING = (
    "lasting: it would fail the same way again, so it is not tried again; mend the cause, then re-execute"
)
"""What the UI says of a failure that is not transient."""

_TRANSIENT_ERRNO = {
    *(errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ETIMEDOUT, errno.ESTALE, errno.ECONNRESET, errno.EPIPE),
    *(errno.ECONNREFUSED, errno.ECONNABORTED, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH),
}
_TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}
_TRANSIENT_NAMES = {"ConnectionError", "ConnectTimeout", "ReadTimeout", "Timeout", "IncompleteRead"}
"""Of exceptions of HTTP clients, which are not imported here."""


def is_transient(error: BaseException | None) -> bool:
    """Whether trying again may help, by the error or what caused it.

    An error that knows says so itself, by an attribute `is_transient`.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        told = getattr(error, "is_transient", None)
        if isinstance(told, bool):
            return told
        if isinstance(error, (ConnectionError, TimeoutError)) or type(error).__name__ in _TRANSIENT_NAMES:
            return True
        if isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNO:
            return True
        response = getattr(error, "response", None)
        if getattr(response, "status_code", None) in _TRANSIENT_STATUS:
            return True
        error = error.__cause__ or error.__context__
    return False


def classified(step: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Let the retry policy see transient failures only; all others end the step."""

    @functools.wraps(step)
    def run(*arguments: Parameters.args, **options: Parameters.kwargs) -> Result:
        try:
            return step(*arguments, **options)
        except (dg.Failure, dg.RetryRequested):
            raise
        except Exception as error:
            if is_transient(error):
                raise
            raise dg.Failure(
                f"{type(error).__name__}: {error}", metadata={"failure class": LASTING}, allow_retries=False
            ) from error

    return run
