"""Which failures are tried again."""

import errno
import http.client
import threading

import dagster as dg
import pytest

from assets_defs.failures import is_transient
from assets_defs.ingest.assets import raw_meshes
from assets_defs.resources import DataSetResource
from pipelines.curation import CurationError, FolderBusyError, exclusive
from pipelines.rules import PresetError
from pipelines.sources import SourceError


class Answer:
    def __init__(self, status_code: int):
        self.status_code = status_code


class ServerError(Exception):
    def __init__(self, status_code: int):
        self.response = Answer(status_code)


class KnownError(ConnectionError):
    is_transient = False


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        FolderBusyError("busy"),
        ConnectionResetError(),
        TimeoutError(),
        OSError(errno.ESTALE, "stale file handle"),
        OSError(errno.ENETUNREACH, "no network"),
        ServerError(429),
        ServerError(503),
        http.client.IncompleteRead(b""),
        caused(SourceError("the hub does not answer"), ConnectionRefusedError()),
    ],
)
def test_what_may_be_gone_a_moment_later_is_tried_again(error):
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        *(
            SourceError("x"),
            PresetError("x"),
            CurationError("x"),
            ValueError("x"),
            KeyError("x"),
            MemoryError(),
        ),
        *(OSError(errno.ENOSPC, "disk full"), OSError(errno.EROFS, "read-only"), PermissionError()),
        *(ServerError(401), ServerError(404), KnownError(), caused(KnownError(), TimeoutError())),
    ],
)
def test_what_stays_is_not(error):
    assert not is_transient(error)


def listed(data_set: DataSetResource, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [raw_meshes], resources={"data_set": data_set}, instance=instance, raise_on_error=False
    )


def retries(result: dg.ExecuteInProcessResult) -> int:
    return sum(event.is_step_up_for_retry for event in result.all_events)


def test_a_wrong_configuration_fails_at_once(data_set: DataSetResource, instance: dg.DagsterInstance) -> None:
    wrong = DataSetResource(sources=["local:/nowhere/at/all"], folder=data_set.folder)
    result = listed(wrong, instance)
    assert not result.success
    assert retries(result) == 0
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "/nowhere/at/all does not exist; check the path" in str(failure.event_specific_data)
    told = failure.step_failure_data.user_failure_data
    assert told is not None
    assert told.metadata["failure class"].value.startswith("lasting")


def test_a_folder_that_is_written_to_is_waited_for(
    data_set: DataSetResource, instance: dg.DagsterInstance
) -> None:
    is_held, is_tried = threading.Event(), threading.Event()

    def hold() -> None:
        with exclusive(data_set.data):
            is_held.set()
            is_tried.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait(60)
    threading.Timer(4, is_tried.set).start()
    result = listed(data_set, instance)
    is_tried.set()
    holder.join()
    assert result.success
    assert retries(result) >= 1  # the wait is given or taken a bit
