"""Change the core modules in small ways, one at a time: `make mutate`, or `python -m tests.mutate`.

mutmut makes the changes and tries the tests of `CORE` on each. What no test notices is told, unless
`mutants-that-survive.tsv` says why: module, function, the line as it was and as it became, and the
reason. One that begins with "same: " says that nobody can see a difference; it is left out of the
share that must be killed. Told is also what is listed there and survives no more.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant

_ROOT = Path(__file__).parent.parent
_BUILD = _ROOT / "build/mutate"
_LISTED = Path(__file__).with_name("mutants-that-survive.tsv")
_PARENTS = {"oscp_schemas": "schemas", "oscp_send": ".", "oscp_sim": "simulator"}
_TAKEN_ALONG = ("tests", "docs", "scenarios", "README.md", "pyproject.toml")
#: Seconds for one module, and the share of its mutants that must be found.
_BUDGET = int(os.environ.get("OSCP_MUTATE_SECONDS", "900"))
_GOAL = 0.95
#: mutmut's marks of a mutant that no test noticed, that was not tried, whose tests came to no end.
_SURVIVED, _NOT_TRIED, _ENDLESS = {0, 5, 33}, {None, 2}, -signal.SIGXCPU
#: Seconds, times fifteen, that a trial has beside those of its tests: a busy machine kills nothing.
_LENIENCE = 4

#: What everybody's answers hang on, and the tests that speak of it.
CORE = {
    "oscp_send/snws2.py": "oscp_send/test_snws2.py",
    "oscp_send/instruction.py": "oscp_send/test_instruction.py oscp_send/test_answers.py "
    "oscp_send/test_client.py oscp_send/test_settling.py",
    "oscp_send/queue_size.py": "oscp_send/test_queue_size.py",
    "oscp_send/judgement.py": "oscp_send/test_check_texts.py "
    "oscp_send/test_properties.py::test_it_is_found_where_it_is "
    "oscp_send/test_properties.py::test_each_unknown_property_is_reported "
    "oscp_send/test_properties.py::test_an_unknown_action_has_no_known_properties "
    "oscp_send/test_schema_hints.py::test_hint "
    "oscp_send/test_meaning.py::test_blocks_are_past_only_for_who_says_what_time_it_is "
    "oscp_send/test_queue_size.py::test_check_says_it_beforehand "
    "oscp_send/test_queue_size.py::test_what_is_too_large_is_said_in_full",
    "oscp_send/answers.py": "oscp_send/test_answers.py oscp_send/test_client.py "
    "oscp_send/test_waiting.py oscp_send/test_settling.py",
    "oscp_send/client.py": "oscp_send/test_transport.py oscp_send/test_answers.py "
    "oscp_send/test_client.py oscp_send/test_waiting.py oscp_send/test_settling.py",
    "oscp_send/solarnetwork/request_body.py": "oscp_send/test_request_body.py",
    "oscp_send/solarnetwork/decoding.py": "oscp_send/test_check_cases.py::"
    "test_the_service_reads_a_day_that_its_month_has_not oscp_send/test_check_cases.py::"
    "test_what_is_kept_of_a_message_and_in_which_order "
    "oscp_send/test_check_cases.py::test_what_is_finer_than_milliseconds_is_cut "
    "oscp_send/test_check_cases.py::test_what_cannot_be_read_is_told_with_its_place "
    "oscp_send/test_check_cases.py::test_the_place_of_what_lies_deeper "
    "oscp_send/test_check_texts.py::test_a_time_that_the_classes_refuse",
    "oscp_schemas/json_text.py": "oscp_schemas/test_read.py oscp_schemas/test_document.py",
    "oscp_sim/solaruser/authentication.py": "oscp_sim/test_authentication.py "
    "oscp_sim/test_gate_authentication.py "
    "oscp_sim/test_control_clock.py::test_requests_may_be_dated_by_the_machine_s_clock_too "
    "oscp_sim/test_control_clock.py::test_but_not_where_dates_are_strict "
    "oscp_sim/test_control_clock.py::test_what_is_dated_by_another_clock_is_told_by_which_to_sign "
    "oscp_sim/test_control_clock.py::test_a_clock_that_a_fault_makes_wrong_is_wrong_for_every_date",
    "oscp_sim/solaruser/queue_hook.py": "oscp_sim/test_queue_hook.py "
    "oscp_sim/test_user_events_of_instructions.py::test_9_1_what_is_missing_or_unknown "
    "oscp_sim/test_user_events_of_instructions.py::test_9_1_checks_10_to_13 "
    "oscp_sim/test_user_events_of_instructions.py::"
    "test_9_1_a_schema_that_the_service_does_not_find_is_an_error_of_its_own "
    "oscp_sim/test_user_events_of_instructions.py::test_9_1_published "
    "oscp_sim/test_queue_size.py::test_74_blocks_are_refused_and_their_number_is_used",
    "oscp_sim/flexibility_provider/registration.py": "oscp_sim/test_fp_registration.py "
    "oscp_sim/test_fp_handshake.py oscp_sim/test_user_events_of_systems.py "
    "oscp_sim/test_slow_parties.py",
    "oscp_sim/conversation/sequence.py": "oscp_sim/test_conversation.py",
}


def main(wanted: list[str]) -> int:
    """Try the modules whose names have one of the words in them, or all."""
    reasons = dict(line.rsplit("\t", 1) for line in _LISTED.read_text("utf-8").splitlines())
    modules = [name for name in CORE if not wanted or any(word in name for word in wanted)]
    return max(_report(module, _results(module), reasons) for module in modules)


def _results(module: str) -> dict[str, int | None]:
    """Return mutmut's mark of each mutant."""
    folder = _folder(module)
    command = [str(Path(sys.executable).with_name("mutmut")), "run"]
    # The same examples of each property every time; local time is nobody's UTC.
    environment = {
        **os.environ,
        "CI": "1",
        "TZ": "Asia/Kathmandu",
        "PYTHONPATH": str(folder / "mutants"),
    }
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log) as running,  # noqa: S603
    ):
        try:
            running.wait(_BUDGET)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)
    marks = folder / "mutants" / f"{module}.meta"
    found: dict[str, int | None] = json.loads(marks.read_text("utf-8"))["exit_code_by_key"]
    return found


def _folder(module: str) -> Path:
    """Lay out a copy of the project as mutmut wants it: the packages side by side."""
    folder = _BUILD / Path(module).stem
    shutil.rmtree(folder, ignore_errors=True)
    # There from the start: Python remembers which folders of its path were missing.
    (folder / "mutants").mkdir(parents=True)
    for name, parent in _PARENTS.items():
        shutil.copytree(_ROOT / parent / name, folder / name)
    for name in _TAKEN_ALONG:
        (folder / name).symlink_to(_ROOT / name)
    tests = "\n ".join(f"tests/{name}" for name in CORE[module].split())
    packages, along = "\n ".join(_PARENTS), "\n ".join(_TAKEN_ALONG)
    (folder / "setup.cfg").write_text(
        f"[mutmut]\nsource_paths =\n {packages}\nalso_copy =\n {along}\nonly_mutate =\n {module}\n"
        f"pytest_add_cli_args_test_selection =\n {tests}\n"
        f"pytest_add_cli_args =\n -p\n no:cacheprovider\ntimeout_constant = {_LENIENCE}\n",
        "utf-8",
    )
    return folder


def _report(module: str, marks: dict[str, int | None], reasons: dict[str, str]) -> int:
    """Say what survived without a reason; return 1 if that, or too much in all, did."""
    tried = [name for name, mark in marks.items() if mark not in _NOT_TRIED]
    survivors = [_change(module, name) for name in tried if marks[name] in _SURVIVED]
    endless = sum(marks[name] == _ENDLESS for name in tried)
    unexplained = [change for change in survivors if change not in reasons]
    same = [change for change in survivors if reasons.get(change, "").startswith("same: ")]
    killed = (len(tried) - len(survivors)) / max(len(tried) - len(same), 1)
    gone = {each for each in reasons if each.startswith(f"{module}\t")} - {*survivors}
    sys.stdout.writelines(f"survives: {change}\n" for change in unexplained)
    if len(tried) == len(marks):
        sys.stdout.writelines(f"survives no more: {change}\n" for change in sorted(gone))
    sys.stdout.write(
        f"{module}: {killed:.1%} of {len(tried) - len(same)} killed, {endless} without an end, "
        f"{len(unexplained)} survive without a reason, {len(marks) - len(tried)} not tried\n"
    )
    return 1 if unexplained or killed < _GOAL else 0


def _change(module: str, mutant: str) -> str:
    """Return the function that was changed, the lines as they were and as they are, in one line."""
    with chdir(_BUILD / Path(module).stem):
        told = get_diff_for_mutant(mutant, path=module).splitlines()
    changed = [f"{line[0]} {line[1:].strip()}" for line in told if line[:1] in {"-", "+"}]
    function = mutant.rpartition("__mutmut_")[0].rpartition(".")[2].strip("xǁ").replace("ǁ", ".")
    return "\t".join([module, function.removeprefix("_"), " ".join(changed[2:])])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
