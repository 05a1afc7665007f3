"""Try the properties of SolarUserClient."""

from oscp_send import InstructionDeclined, OscpSendError, PossiblySent, SolarUserClient
from oscp_send.testing import Outcome, Sending, sender_properties


def send(sending: Sending) -> Outcome:
    """Send what is asked for, follow it to its end, and say what is certain."""
    client = SolarUserClient(
        sending.url,
        sending.token,
        sending.secret,
        session=sending.session,
        timeout=sending.timeout,
        clock=sending.now,
        sleep=sending.sleep,
    )
    try:
        queued = client.send(
            sending.action,
            sending.text,
            node_id=sending.node_id,
            co_id=sending.co_id,
            cg_identifier=sending.cg_identifier,
            correlation_id=sending.correlation_id,
        )
    except PossiblySent:
        return "unknown"
    except OscpSendError:
        return "not delivered"
    try:
        client.wait(queued, timeout=sending.timeout)
    except InstructionDeclined:
        return "not delivered"
    except OscpSendError:
        return "unknown"
    return "delivered"


test_our_sender = sender_properties(send, through="session")
