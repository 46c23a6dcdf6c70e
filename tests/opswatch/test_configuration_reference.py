"""docs/configuration.md is what the models say."""

from opswatch.configuration_reference import FILE, reference
from opswatch.environment import VARIABLES


def test_the_committed_reference_is_what_the_models_say() -> None:
    """Who changes a key and not its description is told: run `make docs`."""
    assert FILE.read_text(encoding="utf-8") == reference()


def test_the_reference_names_every_variable() -> None:
    """No variable is read in secret."""
    assert [name for name in VARIABLES if f"`{name}`" not in reference()] == []
