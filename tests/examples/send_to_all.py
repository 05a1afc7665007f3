"""Send to many Capacity Groups at once, and say of each how it ended."""

import asyncio
from collections.abc import Mapping

from oscp_send import (
    AdjustGroupCapacityForecast,
    AsyncSolarUserClient,
    PossiblySent,
    possibly_sent,
)


async def send_to_all(
    url: str, token: str, secret: str, messages: Mapping[str, AdjustGroupCapacityForecast]
) -> list[str | BaseException]:
    """Send each group its message, and return how each ended: its state, or what went wrong."""
    async with AsyncSolarUserClient(url, token, secret) as client:
        sends = [_send(client, group, message) for group, message in messages.items()]
        return await asyncio.gather(*sends, return_exceptions=True)


async def _send(
    client: AsyncSolarUserClient, group: str, message: AdjustGroupCapacityForecast
) -> str:
    try:
        async with asyncio.timeout(10):
            sent = await client.send(
                message.action, message, node_id=1, co_id=1, cg_identifier=group
            )
    except (PossiblySent, TimeoutError) as error:
        left_open = possibly_sent(error)
        if left_open is None:
            return "not sent"
        found = await client.settle(left_open, timeout=1000)
        if found is None:
            return "not queued"
        sent = found
    return str((await client.wait(sent, timeout=30)).state)
