"""`opswatch silence` as scripts call it: what is not said is told, not guessed."""

from pathlib import Path

import pytest

from tests.opswatch.process import opswatch


@pytest.mark.parametrize("arguments", [("--for", "10m"), ("--comment", "deploy"), ("", "--for", "10m"), ("",)])
async def test_a_silence_without_a_matcher_is_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A deploy script whose variable was empty hears that nothing is muted, and how to mute it."""
    done = await opswatch(tmp_path, "silence", *arguments)
    assert (done.code, done.output) == (2, "")
    assert "a silence needs at least one matcher" in done.complaint
    assert "service=checkout" in done.complaint
    assert "--everything" in done.complaint
