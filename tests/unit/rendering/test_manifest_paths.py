"""Where manifests are put: by default in the job's folder, by a template elsewhere, and never two in one place."""

import pytest

from eed_delivery.config.file_channels import FileChannelSettings
from eed_delivery.errors import ConfigError, RenderError
from eed_delivery.rendering.manifest_paths import ManifestPath, ManifestPaths

DEFAULT = FileChannelSettings().manifest


@pytest.mark.parametrize(
    ("template", "number", "paths"),
    [
        (DEFAULT, 1, ("42/manifest.csv", "42/manifest.json")),
        (DEFAULT, 2, ("42/manifest-2.csv", "42/manifest-2.json")),
        ("done/{{ job }}.{{ number }}.{{ format }}", 1, ("done/42.1.csv", "done/42.1.json")),
        ("{{ format|upper }}/{{ job }}{{ edition }}", 3, ("CSV/42-3", "JSON/42-3")),
    ],
)
def test_a_manifest_has_two_paths_of_its_own(template: str, number: int, paths: tuple[str, str]) -> None:
    assert ManifestPaths(template).of("42", number) == ManifestPath(*paths)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ job }}/manifest.{{ format }}", "two manifests would have one path"),
        ("{{ job }}/manifest{{ edition }}", "two manifests would have one path"),
        ("manifest{{ edition }}.{{ format }}", "two manifests would have one path"),
        ("../{{ job }}/manifest{{ edition }}.{{ format }}", "leaves the directory"),
        ("/{{ job }}/manifest{{ edition }}.{{ format }}", "must be below the channel's root"),
        ("{{ job }}/{{ name }}{{ edition }}.{{ format }}", "name"),
        ("{{ job }/manifest", "manifest template, line 1"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_before_any_job(template: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        ManifestPaths(template)
    assert 'or "" for no manifest' in str(raised.value)


@pytest.mark.parametrize("key", ["..", "../other", "a//b", ".eed-1", "a\nb"])
def test_a_job_whose_key_leaves_the_root_has_no_manifest(key: str) -> None:
    with pytest.raises(RenderError, match="its path cannot be used"):
        ManifestPaths(DEFAULT).of(key, 1)
