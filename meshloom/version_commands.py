"""What the commands about versions do: diff, publish, rebuild."""

from pathlib import Path

from rich.markup import escape

from meshloom.commands import StageProgress, console


def diff(before: str, after: str, data: Path | None, out: Path | None) -> None:
    """Print what two versions do not share, and write it where asked."""
    from pipelines.versions.difference import compare, write_difference
    from pipelines.versions.record import find_record

    difference = compare(find_record(before, data), find_record(after, data))
    for line in difference.lines():
        console.print(escape(line), soft_wrap=True)
    for path in write_difference(difference, out) if out is not None else ():
        console.print(f"written: {escape(str(path))}", soft_wrap=True)


def publish(version: str, out: Path, data: Path | None) -> None:
    """Write a version's record without its meshes."""
    from pipelines.versions.publishing import publish as publish_version

    for path in publish_version(version, out, data):
        console.print(f"written: {escape(str(path))}", soft_wrap=True)


def rebuild(
    version: str, out: Path, sources: list[str] | None, partial: bool, workers: int, data: Path | None
) -> bool:
    """Make a version again; returns whether it came out equal, or the same at other places."""
    from pipelines.versions.rebuilding import code_changes
    from pipelines.versions.rebuilding import rebuild as rebuild_version
    from pipelines.versions.record import find_record

    record = find_record(version, data)
    for line in code_changes(record):
        console.print(escape(f"other {line}"), soft_wrap=True)
    with StageProgress() as progress:
        report = rebuild_version(record, out, sources, partial, workers, progress)
    for line in report.lines():
        console.print(escape(line), soft_wrap=True)
    return report.is_equal or report.is_same_content
