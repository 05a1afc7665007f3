"""What the fixtures of the pytest plugin cost a test: `python -m tests.bench.fixtures`.

CPU milliseconds of a whole test, medians, beside a test without a fixture and one with pytest's own
`tmp_path`; and the import of the plugin, which every test suite pays for.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Generator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time

import pytest

_PLUGIN = "oscp_sim.pytest_plugin"
_COUNT = 100
_TESTS = f"""
import pytest

@pytest.fixture(params=range({_COUNT}))
def time(request): return request.param

def test_without_any_fixture(time): pass
def test_with_tmp_path(time, tmp_path): pass
def test_with_oscp_in_process(time, oscp): pass
def test_with_oscp_and_its_socket(time, oscp): assert oscp.url
def test_with_oscp_server(time, oscp_server): assert oscp_server.url
"""
_IMPORT = f"""
import time, pytest
began = time.process_time()
import {_PLUGIN}
print((time.process_time() - began) * 1000)
"""


class _Watch:
    """A plugin that takes the time of each test."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Take its time, from before its fixtures until after them."""
        began = process_time()
        result = yield
        name = item.name.partition("[")[0]
        self.times[name].append((process_time() - began) * 1000)
        return result


def _of_tests() -> dict[str, float]:
    watch = _Watch()
    with TemporaryDirectory() as folder, redirect_stdout(StringIO()) as said:
        (Path(folder) / "test_it.py").write_text(_TESTS, encoding="utf-8")
        options = ("-p", _PLUGIN, "-p", "no:cacheprovider", "-q", "--rootdir", folder, folder)
        ended = pytest.main(list(options), [watch])
    if ended != pytest.ExitCode.OK:
        sys.exit(said.getvalue())
    return {name: median(times) for name, times in watch.times.items()}


def _of_import() -> float:
    command = [sys.executable, "-c", _IMPORT]
    ran = [subprocess.check_output(command, text=True) for _ in range(5)]  # noqa: S603 - our own
    return median(map(float, ran))


def _line(what: str, milliseconds: float) -> None:
    sys.stdout.write(f"{what:<40}{milliseconds:10.2f} ms\n")


def main() -> None:
    """Print one line for each."""
    # Whether it is installed here or not, it is loaded once.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    _line("import of the pytest plugin", _of_import())
    for name, milliseconds in _of_tests().items():
        _line(name.removeprefix("test_").replace("_", " ").replace("a test ", ""), milliseconds)


if __name__ == "__main__":
    main()
