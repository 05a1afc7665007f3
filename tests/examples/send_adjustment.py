"""Ask for other capacities, and follow the message to its end."""

from datetime import UTC, datetime, timedelta

from oscp_send import AdjustGroupCapacityForecast, SolarUserClient, forecasted_blocks


def ask_for_more(url: str, token: str, secret: str) -> str:
    """Send an adjustment of four quarter hours, and return the state in which it ends."""
    message = AdjustGroupCapacityForecast(
        group_id="foo-group",
        type="CONSUMPTION",
        forecasted_blocks=forecasted_blocks(
            start=datetime(2031, 3, 1, 16, 0, tzinfo=UTC),
            step=timedelta(minutes=15),
            capacities=[42, 42, 35.5, 30],
        ),
    )
    with SolarUserClient(url, token, secret) as client:
        sent = client.send(
            "AdjustGroupCapacityForecast",
            message,
            node_id=1,
            co_id=1,
            cg_identifier="foo-group",
            correlation_id="the X-Request-ID of the forecast",
        )
        return str(client.wait(sent, timeout=30).state)
