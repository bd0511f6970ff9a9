"""Where a job's manifests are put: a template of their paths, checked before the first job needs it."""

from typing import NamedTuple

from eed_delivery.errors import ConfigError, Problem, RenderError
from eed_delivery.rendering.file_paths import checked_path
from eed_delivery.rendering.missing import Missing
from eed_delivery.rendering.templates import Templates

MANIFEST = "manifest template"
CSV, JSON = "csv", "json"
_MAX_CHARS = 10_000
_ANY_JOB, _OTHER_JOB = "1", "2"
_REMEDY = """Give it like "{{ job }}/manifest{{ edition }}.{{ format }}", or "" for no manifest."""


class ManifestPath(NamedTuple):
    """The two files of one manifest, below the channel's root."""

    csv: str
    json: str


class ManifestPaths:
    """Makes the paths of manifests. Safe to share between threads."""

    def __init__(self, template: str) -> None:
        """Raises `ConfigError` for a template that gives no path, or one path to two files."""
        try:
            self._template = Templates(_MAX_CHARS).compile(MANIFEST, template)
            first, second, other = self.of(_ANY_JOB, 1), self.of(_ANY_JOB, 2), self.of(_OTHER_JOB, 1)
        except RenderError as error:
            raise ConfigError([Problem("manifest", error.reply, _REMEDY)]) from error
        if len({*first, *second, *other}) < len((*first, *second, *other)):
            what = "two manifests would have one path. It must name job, edition (or number) and format"
            raise ConfigError([Problem("manifest", what, _REMEDY)])

    def of(self, job: str, number: int) -> ManifestPath:
        """The paths of a job's manifest of this number. Raises `RenderError` if the job's key fits into no path."""
        edition = "" if number == 1 else f"-{number}"
        names = {"job": job, "number": number, "edition": edition}
        csv, json = (self._path({**names, "format": kind}) for kind in (CSV, JSON))
        return ManifestPath(csv, json)

    def _path(self, names: dict[str, object]) -> str:
        missing = Missing()
        path = self._template.render(names, missing)
        if missing.names:
            raise RenderError(f"{MANIFEST}: there is no {missing.names[0]}")
        return checked_path(path)
