"""Try a function of your own with forecasts as they are sent: days of 92, 96 and 100 blocks."""

from typing import Any

from hypothesis import given

from oscp_send.testing import Sample, forecasts


def energy(message: dict[str, Any]) -> float:
    """Return the kilowatt-hours of a forecast in quarter hours: the function to be tested."""
    watts = {"KW": 1000, "W": 1}
    blocks = message["forecasted_blocks"]
    return float(sum(each["capacity"] * watts[each["unit"]] for each in blocks) / 4000)


@given(forecasts("day-ahead", time_zone="Europe/Berlin"))
def test_a_day_has_at_most_its_peak_all_day_long(sample: Sample) -> None:
    blocks = sample.message["forecasted_blocks"]
    kilowatts = max(each["capacity"] for each in blocks)
    if blocks[0]["unit"] == "W":
        kilowatts /= 1000
    assert energy(sample.message) <= kilowatts * len(blocks) / 4 + 1e-6
