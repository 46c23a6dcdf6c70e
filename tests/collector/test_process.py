"""OpsWatch watches itself with the same words."""

from collector.process import ProcessSampler
from telemetry.measurements import BUILT_IN
from tests.collector.doubles import NOW, START


def test_the_process_is_a_point_that_the_registry_takes() -> None:
    """Each registered field is measured, on a whole millisecond."""
    point = ProcessSampler("web1").sample(NOW, 1.5)

    assert set(BUILT_IN.coerce(point).fields) == {"cpu_percent", "rss_bytes", "open_files", "threads", "loop_lag_ms"}
    assert (point.time, point.fields["loop_lag_ms"]) == (START, 1.5)


def test_the_figures_are_of_this_process() -> None:
    """There is at least a thread, some memory and a few files."""
    fields = ProcessSampler("web1").sample(NOW, 0.0).fields

    assert min(float(fields[name]) for name in ("rss_bytes", "open_files", "threads")) >= 1
