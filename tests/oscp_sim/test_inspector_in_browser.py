"""The inspector as a person uses it, in a real browser: `make browser` gets one.

With OSCP_SCREENSHOTS=1 the pictures in docs/inspector/ are made anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from oscp_send import InstructionDeclined, SolarUserClient
from oscp_sim import FastClock, Simulator
from oscp_sim.inspector import inspector
from oscp_sim.scenario.read import load_scenarios
from oscp_sim.scenario.run import Rehearsal, run
from tests.oscp_sim.rig import SECRET, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Dialog, Page, Route

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "inspector"
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
TABLE = (
    "Begin;Vermogen (kW)\n"
    "30-11-2026 00:00;50\n30-11-2026 06:00;80\n30-11-2026 12:00;35,5\n30-11-2026 18:00;60\n"
)
ADJUSTMENT = """{"group_id":"foo-group","type":"CONSUMPTION","forecasted_blocks":[
{"capacity":70,"phase":"ALL","unit":"KW",
"start_time":"2026-11-29T23:00:00Z","end_time":"2026-11-30T05:00:00Z"},
{"capacity":20,"phase":"ALL","unit":"KW",
"start_time":"2026-11-30T05:00:00Z","end_time":"2026-11-30T11:00:00Z"}]}"""

MEASURED = {
    "group_id": "foo-group",
    "measurements": [
        {
            "value": 252,
            "phase": "ALL",
            "unit": "KWH",
            "energy_type": "TOTAL",
            "direction": "IMPORT",
            "measure_time": "2026-11-30T05:00:00Z",
            "initial_measure_time": "2026-11-29T23:00:00Z",
        }
    ],
}


def chromium() -> str | None:
    """Return the path of a Chromium, if there is one."""
    noted = ROOT / "build" / "browser" / "executable"
    if noted.exists():
        return noted.read_text(encoding="utf-8").strip()
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("OSCP_BROWSER") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    executable = chromium()
    if executable is None:
        pytest.skip("there is no Chromium here: make browser gets one")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(clock=FastClock(NOON)) as simulator:
        simulator.add_pages(partial(inspector, simulator))
        yield simulator


@pytest.fixture
def page(browser: Browser, simulator: Simulator) -> Iterator[Page]:
    mistakes: list[str] = []
    page = browser.new_page(viewport={"width": 1400, "height": 900}, accept_downloads=True)
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.set_default_timeout(20_000)
    page.goto(simulator.url)
    page.get_by_text("live", exact=True).wait_for()
    yield page
    page.close()
    assert mistakes == []


def picture(page: Page, name: str) -> None:
    if os.environ.get("OSCP_SCREENSHOTS"):
        PICTURES.mkdir(exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png")


def send(
    simulator: Simulator,
    optimizer: int = 1,
    action: str = "AdjustGroupCapacityForecast",
    text: str = ADJUSTMENT,
) -> None:
    client = SolarUserClient(simulator.url, TOKEN, SECRET, clock=simulator.clock.now)
    client.send(
        action,
        text,
        node_id=1,
        co_id=optimizer,
        cg_identifier="foo-group",
    )
    client.close()


def command(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    page.get_by_role("alert").filter(has_text=f"{name}: 204").wait_for()


def test_the_loop_is_played_and_a_declined_message_understood(
    page: Page, simulator: Simulator, tmp_path: Path
) -> None:
    page.get_by_role("link", name="Control").first.click()
    command(page, "Register")
    simulator.clock.advance(5)
    page.get_by_label("heartbeat every").fill("60")
    command(page, "Handshake")
    table = tmp_path / "plan.csv"
    table.write_text(TABLE)
    page.get_by_label("CSV or XLSX file").set_input_files(table)
    page.get_by_label("step").fill("6h")
    page.get_by_label("time zone").fill("Europe/Amsterdam")
    page.get_by_label("date format").fill("%d-%m-%Y %H:%M")
    page.get_by_label("decimal comma").check()
    page.get_by_label("columns").fill("start_time=Begin, capacity=Vermogen (kW)")
    page.get_by_role("button", name="Send as forecast").click()
    page.get_by_role("alert").filter(has_text="UpdateGroupCapacityForecast: 204").wait_for()
    picture(page, "control")

    send(simulator)
    simulator.clock.advance(90)
    with pytest.raises(InstructionDeclined):
        send(simulator, optimizer=7)
    page.get_by_role("link", name="Exchanges").click()
    declined = page.get_by_role("option", name="instruction 2 is Declined")
    declined.wait_for()
    picture(page, "exchanges")
    shown = page.get_by_role("listbox", name="What happened").all_inner_texts()
    assert "Register" in shown[0]
    assert "UpdateGroupCapacityForecast" in shown[0]

    page.get_by_role("option", name="Capacity Optimizer to SolarUser").last.click()
    detail = page.get_by_label("One exchange")
    detail.get_by_text("Unknown capacity optimizer").first.wait_for()
    picture(page, "declined")

    send(simulator, action="UpdateGroupMeasurements", text=json.dumps(MEASURED))
    simulator.clock.advance(5)
    page.get_by_role("link", name="Capacity", exact=True).click()
    look_at_the_plot(page)

    page.get_by_role("link", name="World").click()
    page.get_by_role("region", name="World").get_by_text("Capacity Provider 3, Grid").wait_for()
    picture(page, "world")

    page.get_by_role("link", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="A scenario file").click()
    assert download.value.suggested_filename == "recorded.yaml"
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert run(load_scenarios([path]), Rehearsal(), [])


def look_at_the_plot(page: Page) -> None:
    drawing = page.get_by_role("img", name="foo-group: CONSUMPTION, all phases, in KW")
    drawing.wait_for()
    when = "2026-11-29 23:00 to 2026-11-30 05:00 UTC"
    values = "forecast 50 KW", "asked 70 KW", "measured 42 KW", "limit 50 KW"
    told = drawing.locator("rect.told").all_text_contents()
    assert "\n".join([when, *values]) in told
    drawing.locator("rect.told").first.hover()
    page.get_by_text(", ".join([when, *values])).wait_for()
    picture(page, "capacity")
    page.get_by_text("Values as a table").focus()
    page.keyboard.press("Enter")
    page.get_by_role("row", name=f"{when} {', '.join(values)}").wait_for()


def test_a_page_waits_for_the_first_thing_to_happen(page: Page) -> None:
    with page.expect_request(re.compile(r"/_sim/rows\?since=0&wait=20$")):
        page.reload()
    groups = page.get_by_role("combobox", name="Group").get_by_role("option")
    assert groups.all_inner_texts() == ["all", "foo-group"]


def test_a_mistake_is_at_its_place(page: Page, simulator: Simulator) -> None:
    block = {"capacity": -1, "phase": "ALL", "unit": "kW", "start_time": "2031-03-01T00:00:00Z"}
    message = {"group_id": "foo-group", "type": "CONSUMPTION", "forecasted_blocks": [block]}
    simulator.provider(3).post("UpdateGroupCapacityForecast", message)
    page.get_by_role("option", name="422").click()
    detail = page.get_by_label("One exchange")
    unit = detail.locator("li.found", has=page.locator(".key", has_text="unit:")).last
    assert "enum" in unit.inner_text()
    assert "is not one of A, W, KW, WH, KWH" in unit.inner_text()
    missing = detail.get_by_text('the property "end_time" is missing')
    missing.wait_for()


def test_rows_are_filtered_and_chosen_by_keys(page: Page, simulator: Simulator) -> None:
    from playwright.sync_api import expect  # noqa: PLC0415 - where there is one

    send(simulator)
    simulator.provider(3).heartbeat()
    page.get_by_role("option", name="Flexibility Provider, Heartbeat").wait_for()
    page.get_by_label("Message").select_option("Heartbeat")
    rows = page.get_by_role("listbox", name="What happened")
    expect(rows.get_by_role("option")).to_have_count(1)
    rows.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    detail = page.get_by_label("One exchange")
    detail.get_by_text("offline_mode_at").first.wait_for()
    expect(detail).to_be_focused()
    page.keyboard.press("Escape")
    expect(detail).to_be_hidden()
    expect(rows).to_be_focused()


def test_what_the_filters_show_is_exported(
    page: Page, simulator: Simulator, tmp_path: Path
) -> None:
    send(simulator)
    simulator.provider(3).heartbeat()
    page.get_by_role("option", name="Flexibility Provider, Heartbeat").wait_for()
    page.get_by_label("Message").select_option("Heartbeat")
    page.get_by_role("link", name="Export").click()
    page.get_by_text("What the filters show: 1 of").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="HTTP Archive").click()
    archive = json.loads(download.value.path().read_text())
    [url] = [each["request"]["url"] for each in archive["log"]["entries"]]
    assert url.endswith("/heartbeat")
    page.get_by_role("button", name="Take the filters away").click()
    page.get_by_text("Everything that the simulator remembers").wait_for()


def test_what_went_wrong_is_found_among_many(page: Page, simulator: Simulator) -> None:
    from playwright.sync_api import expect  # noqa: PLC0415 - where there is one

    page.get_by_role("button", name="Pause").click()
    wrong = {"group_id": "other-group", "type": "CONSUMPTION", "forecasted_blocks": [{}]}
    simulator.provider(3).post("UpdateGroupCapacityForecast", wrong)
    for number in range(1_000):
        simulator.journal.append("capacity_provider", "note", detail={"why": f"note {number}"})
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("1001 rows").wait_for()
    page.get_by_label("only what went wrong").check()
    rows = page.get_by_role("listbox", name="What happened").get_by_role("option")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("422")
    page.get_by_label("only what went wrong").uncheck()
    page.get_by_label("Text").fill("NOTE 17")
    page.get_by_text("11 of 1001 rows", exact=True).wait_for()
    page.get_by_label("Text").fill("")
    page.get_by_role("combobox", name="Group").select_option("other-group")
    expect(rows).to_have_count(1)


def test_an_adjustment_of_an_optimizer_is_sent_from_a_table(
    page: Page, simulator: Simulator
) -> None:
    page.get_by_role("link", name="Control").first.click()
    page.get_by_label("Simulated system").select_option(label="Capacity Optimizer 1, Depot")
    page.get_by_label("Table").fill("start,capacity\n2026-12-01T00:00:00Z,40\n")
    page.get_by_label("step").fill("1h")
    page.get_by_role("button", name="Send as adjustment").click()
    page.get_by_role("alert").filter(has_text="AdjustGroupCapacityForecast: 204").wait_for()
    [sent] = simulator.journal.entries(
        action="AdjustGroupCapacityForecast", party="capacity_optimizer"
    )
    assert sent.status == 204


def test_a_fault_is_chosen_and_taken_away(page: Page, simulator: Simulator) -> None:
    page.get_by_role("link", name="Control").first.click()
    page.get_by_role("combobox", name="Where").select_option("capacity_provider")
    page.get_by_role("combobox", name="What").select_option("status")
    page.get_by_role("combobox", name="action").select_option("AdjustGroupCapacityForecast")
    page.get_by_role("spinbutton", name="status").fill("503")
    page.get_by_role("spinbutton", name="times").fill("1")
    page.get_by_role("button", name="Let it go wrong").click()
    page.get_by_text('"status":503').wait_for()
    [rule] = simulator.faults.rules
    assert (
        rule.to_dict().items()
        >= {
            "where": "capacity_provider",
            "fault": "status",
            "action": "AdjustGroupCapacityForecast",
            "status": 503,
            "times": 1,
        }.items()
    )
    page.get_by_role("button", name="Take fault 1 away").click()
    page.get_by_text("Nothing.").wait_for()
    assert simulator.faults.rules == ()


def test_the_other_side_of_an_exchange_is_read_though_it_comes_meanwhile(
    page: Page, simulator: Simulator
) -> None:
    send(simulator)
    sides = [each for each in simulator.journal.entries() if each.peer and each.exchange_id]
    first = next(each for each in sides if not each.sent)
    other = next(each for each in sides if each.sent and each.exchange_id == first.exchange_id)
    asked: list[str] = []
    waiting: dict[str, Route] = {}

    def told(route: Route) -> None:
        asked.extend(route.request.url.partition("numbers=")[2].split(","))
        if str(first.number) in asked and "told" not in waiting:
            waiting["told"] = route
        else:
            route.continue_()

    def rows(route: Route) -> None:
        url = route.request.url
        if url.endswith("since=0"):
            bare(route, until=first.number)
        else:
            waiting["rows" if f"since={first.number}&" in url else "more"] = route

    page.route("**/_sim/told?*", told)
    page.route("**/_sim/rows?*", rows)
    page.reload()
    # As of a busy simulator: what rows say is asked for while the next ones come.
    wait(page, lambda: waiting.keys() >= {"told", "rows"})
    bare(waiting["rows"])
    wait(page, lambda: "more" in waiting)
    waiting["told"].continue_()
    wait(page, lambda: str(other.number) in asked)


def bare(route: Route, until: int = sys.maxsize) -> None:
    """Let rows come, up to one, without what they say, as many do."""
    page = route.fetch().json()
    came = [row for row in page["rows"] if row["number"] <= until]
    last = min(page["last"], until)
    route.fulfill(json={**page, "last": last, "rows": came, "told": []})


def wait(page: Page, is_so: Callable[[], bool]) -> None:
    for _ in range(400):
        if is_so():
            return
        page.wait_for_timeout(25)
    pytest.fail("it has not come to be so in ten seconds")


def test_a_fast_clock_is_told_how_fast_to_run(page: Page, simulator: Simulator) -> None:
    page.get_by_role("link", name="Control").first.click()
    page.get_by_label("speed").fill("60")
    page.get_by_role("button", name="Run so fast").click()
    page.get_by_role("alert").filter(has_text="An hour passes in 60 seconds").wait_for()
    page.get_by_text("fast at 60 times the machine's speed").wait_for()
    page.get_by_label("speed").fill("")
    page.get_by_role("button", name="Run so fast").click()
    page.get_by_role("alert").filter(has_text="It runs only for who waits").wait_for()
    assert isinstance(simulator.clock, FastClock)
    assert simulator.clock.speed is None


def test_a_pause_holds_the_list_still(page: Page, simulator: Simulator) -> None:
    from playwright.sync_api import expect  # noqa: PLC0415 - where there is one

    simulator.provider(3).heartbeat()
    page.get_by_text("1 row", exact=True).wait_for()
    page.get_by_role("button", name="Pause").click()
    simulator.provider(3).post("Heartbeat", {"offline_mode_at": "2031-03-01T00:00:00Z"})
    page.set_viewport_size({"width": 1300, "height": 800})
    expect(page.get_by_text("1 row", exact=True)).to_be_visible()
    rows = page.get_by_role("listbox", name="What happened").get_by_role("option")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("2 rows").wait_for()


def test_who_scrolls_back_is_left_there(page: Page, simulator: Simulator) -> None:
    from playwright.sync_api import expect  # noqa: PLC0415 - where there is one

    for number in range(100):
        simulator.journal.append("capacity_provider", "note", detail={"why": f"note {number}"})
    page.get_by_role("option", name="note 99").wait_for()
    page.locator("#list").evaluate("list => { list.scrollTop = 400; }")
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    simulator.journal.append("capacity_provider", "note", detail={"why": "note 100"})
    page.get_by_text("101 rows").wait_for()
    assert page.locator("#list").evaluate("list => list.scrollTop") == 400


def test_one_of_several_systems_is_chosen(page: Page, simulator: Simulator) -> None:
    from playwright.sync_api import expect  # noqa: PLC0415 - where there is one

    simulator.provider(3).heartbeat()
    simulator.optimizer(1).register()
    page.get_by_role("option", name="Capacity Optimizer 1 to Flexibility Provider").wait_for()
    page.get_by_label("Party").select_option("Capacity Optimizer 1")
    rows = page.get_by_role("listbox", name="What happened").get_by_role("option")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Register · 1")


def test_where_the_filters_show_nothing_that_is_said(page: Page, simulator: Simulator) -> None:
    simulator.provider(3).heartbeat()
    page.get_by_text("1 row", exact=True).wait_for()
    page.get_by_label("Text").fill("nobody says this")
    page.get_by_text("0 of 1 row", exact=True).wait_for()
    page.get_by_text("Nothing that happened is what the filters ask for.").wait_for()
    page.get_by_role("button", name="Show all of it").click()
    page.get_by_role("option", name="Capacity Provider 3 to Flexibility Provider").wait_for()
    assert page.get_by_text("Nothing that happened").is_hidden()
    assert page.get_by_label("Text").input_value() == ""


def test_who_is_refused_is_led_to_why(page: Page) -> None:
    page.get_by_role("link", name="Control").first.click()
    command(page, "Register")
    page.get_by_role("button", name="Handshake").click()
    told = page.get_by_role("alert").filter(has_text="Handshake: 403 Forbidden, see entry ")
    told.get_by_role("link").click()
    page.get_by_label("One exchange").get_by_text("the token was replaced").first.wait_for()


def test_a_table_that_is_typed_takes_the_place_of_a_file(page: Page, simulator: Simulator) -> None:
    page.get_by_role("link", name="Control").first.click()
    file = page.get_by_label("CSV or XLSX file")
    file.set_input_files({"name": "plan.csv", "mimeType": "text/csv", "buffer": b"no,table"})
    page.get_by_role("button", name="Send as forecast").click()
    page.get_by_role("alert").filter(has_text="plan.csv:1:1").wait_for()
    file.set_input_files({"name": "new.csv", "mimeType": "text/csv", "buffer": b"no,table"})
    page.get_by_text("new.csv, 8 bytes, will be sent").wait_for()
    assert page.get_by_role("alert").is_hidden()
    page.get_by_label("Table").fill("start,capacity\n2026-12-01T00:00:00Z,40\n")
    assert file.input_value() == ""
    page.get_by_label("step").fill("1h")
    page.get_by_role("button", name="Send as forecast").click()
    page.get_by_role("alert").filter(has_text="UpdateGroupCapacityForecast: 204").wait_for()
    assert simulator.journal.entries(action="UpdateGroupCapacityForecast")


def test_a_fault_asks_for_what_it_needs(page: Page, simulator: Simulator) -> None:
    page.get_by_role("link", name="Control").first.click()
    page.get_by_role("combobox", name="What").select_option("status")
    page.get_by_role("button", name="Let it go wrong").click()
    status = page.get_by_role("spinbutton", name="status")
    assert status.evaluate("(input) => input.validity.valueMissing && input.matches(':focus')")
    assert simulator.faults.rules == ()


def test_what_was_agreed_is_told(page: Page, simulator: Simulator) -> None:
    simulator.provider(3).register()
    simulator.clock.advance(5)
    simulator.provider(3).handshake(heartbeat_interval=77)
    page.get_by_role("link", name="World").click()
    world = page.get_by_role("region", name="World")
    world.get_by_text("Capacity Provider 3, Grid: registered, shook hands, online").wait_for()
    world.get_by_text("heartbeat interval: 77").first.wait_for()


def test_what_is_closed_and_typed_stays_so(page: Page, simulator: Simulator) -> None:
    from playwright.sync_api import expect  # noqa: PLC0415 - where there is one

    page.get_by_role("link", name="World").click()
    closed = page.get_by_text("Capacity Group 19, foo-group")
    closed.focus()
    page.keyboard.press("Enter")
    simulator.provider(3).register()
    page.get_by_text("Capacity Provider 3, Grid: registered").wait_for()
    send(simulator)
    page.get_by_text("Completed, entry").wait_for()
    assert page.locator("details:not([open]) summary").all_inner_texts() == [
        "Capacity Group 19, foo-group"
    ]
    expect(closed).to_be_focused()

    page.get_by_role("link", name="Control").click()
    page.get_by_label("Table").fill("a,b")
    page.get_by_label("advance by").fill("1h")
    page.get_by_role("button", name="Let it pass").click()
    page.get_by_text("2026-11-29T13:00").first.wait_for()
    assert page.get_by_label("Table").input_value() == "a,b"


def test_the_control_token_is_asked_for(browser: Browser) -> None:
    with Simulator(clock=FastClock(NOON), control_token="let-me-in") as simulator:
        simulator.add_pages(partial(inspector, simulator))
        page = browser.new_page()
        page.goto(f"{simulator.url}/#control")
        for token in ("guessed", "let-me-in"):
            page.get_by_label("control token").fill(token)
            page.get_by_role("button", name="Show it").click()
        page.get_by_role("button", name="Forget everything").wait_for()
        page.get_by_text("live", exact=True).wait_for()
        assert page.get_by_label("control token").is_hidden()
        page.close()


def test_everything_has_a_name(page: Page, simulator: Simulator) -> None:
    send(simulator)
    page.get_by_role("option", name="SolarUser to Flexibility Provider").click()
    for view, last in {
        "Exchanges": "only what went wrong",
        "Capacity": "Values as a table",
        "Control": "Forget everything",
        "World": "Completed, entry",
        "Export": "Credentials are taken out",
    }.items():
        page.get_by_role("link", name=view, exact=True).first.click()
        page.get_by_role("region", name=view, exact=True).get_by_text(last).wait_for()
        nameless = re.findall(
            r"- (?:button|textbox|combobox|checkbox|spinbutton|link|img|region|listbox)(?:$|:$)",
            page.locator("body").aria_snapshot(),
            re.MULTILINE,
        )
        assert nameless == [], view


def test_after_a_reset_by_others_the_list_begins_anew(page: Page, simulator: Simulator) -> None:
    simulator.provider(3).heartbeat()
    page.get_by_text("1 row", exact=True).wait_for()
    simulator.reset()
    simulator.optimizer(1).heartbeat()
    page.get_by_role("option", name="Capacity Optimizer 1 to Flexibility Provider").wait_for()
    assert page.locator("#count").inner_text() == "1 row"


def test_what_cannot_be_copied_is_shown(page: Page, simulator: Simulator) -> None:
    shown: list[str | None] = []

    def close(dialog: Dialog) -> None:
        shown.append(dialog.default_value)
        dialog.dismiss()

    page.on("dialog", close)
    simulator.provider(3).heartbeat()
    page.get_by_role("option", name="Flexibility Provider, Heartbeat").click()
    with page.expect_event("dialog"):
        page.get_by_role("button", name="Copy as curl").click()
    [command] = shown
    assert command
    assert command.startswith("curl -X POST")


def test_many_rows_are_a_few_elements(page: Page, simulator: Simulator) -> None:
    for number in range(3_000):
        simulator.journal.append("capacity_provider", "note", detail={"why": f"note {number}"})
    page.get_by_text("3000 rows").wait_for()
    page.get_by_role("option", name="note 2999").wait_for()
    assert page.locator(".row").count() < 100


def test_nothing_is_wider_than_the_window(page: Page, simulator: Simulator) -> None:
    send(simulator)
    long = {"group_id": "a-group-" * 30, "type": "CONSUMPTION", "forecasted_blocks": []}
    simulator.provider(3).post("UpdateGroupCapacityForecast", long)
    page.get_by_role("option", name="SolarUser to Flexibility Provider").click()
    page.set_viewport_size({"width": 380, "height": 800})
    page.emulate_media(color_scheme="dark")
    for view in ("Exchanges", "Capacity", "Control", "World", "Export"):
        page.get_by_role("link", name=view, exact=True).first.click()
        widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1], view
        rights = page.locator("select").evaluate_all(
            "each => each.map(one => one.getBoundingClientRect().right)"
        )
        assert max(rights) <= widths[1], view
