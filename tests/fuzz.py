"""Give a reader of bytes some that lead it further: `python -m tests.fuzz TARGET SECONDS`.

A target is one of `tests.deadly`. atheris changes the bytes by which lines of ours they reach. It
has wheels for some Pythons and platforms alone: `pip install -e ".[fuzz]"`. `all` shares the time.
What leads further is kept in `build/fuzz`, and so are the bytes at which a target fails.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_PACKAGES: Final = ["oscp_schemas", "oscp_send", "oscp_sim"]
# With longer bytes, there are few tries in a second.
_LONGEST: Final = 4096


def main() -> None:
    """Fuzzes one target, or all of them one after the other; exits with 1 at a mistake of ours."""
    if find_spec("atheris") is None:
        sys.stdout.write("fuzzing is left out: atheris has no wheel for this Python and platform\n")
        return
    if len(sys.argv) != 3 or not sys.argv[2].isdecimal():
        sys.exit("python -m tests.fuzz TARGET SECONDS, or all SECONDS")
    name, seconds = sys.argv[1], int(sys.argv[2])
    if name == "all":
        _fuzz_all(seconds)
    else:
        _fuzz(name, seconds)


def _fuzz_all(seconds: int) -> None:
    from tests.deadly import TARGETS  # noqa: PLC0415 - atheris is first to see it, in each process

    each = str(max(1, seconds // len(TARGETS)))
    for name in TARGETS:
        sys.stdout.write(f"{name}: {each} s\n")
        sys.stdout.flush()
        # Each in a process of its own, which libFuzzer ends.
        command = [sys.executable, "-m", "tests.fuzz", name, each]
        done = subprocess.run(  # noqa: S603 - our own program
            command, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{done.stdout[-3000:]}{done.stderr[-3000:]}\n{name} fails at these bytes")


def _fuzz(name: str, seconds: int) -> None:
    import atheris  # type: ignore[import-untyped] # noqa: PLC0415 - it is not everywhere

    with atheris.instrument_imports(include=_PACKAGES):
        from tests.deadly import TARGETS, limited, nasty_to  # noqa: PLC0415 - see above
    if name not in TARGETS:
        sys.exit(f"there is no target {name!r}; there are {', '.join(TARGETS)}")
    target = TARGETS[name]
    folder = Path("build", "fuzz", name.replace(" ", "-"))
    folder.mkdir(parents=True, exist_ok=True)
    with target.opened() as take:
        for number, each in enumerate((*target.valid, *nasty_to(target).values())):
            (folder / f"known-{number}").write_bytes(each[:_LONGEST])

        def one(data: bytes) -> None:
            with limited():
                take(data)

        limits = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=4096"]
        limits += [f"-max_len={_LONGEST}", f"-artifact_prefix={folder}-"]
        atheris.Setup([sys.argv[0], str(folder), *limits], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
