"""What was said between two parties, and what that makes of the next message (oscp20.md §3.13).

A party keeps one conversation with each other side. The rules that need no history are those of
`oscp_send.meaning`, which is asked as well: no rule of the one repeats a finding of the other.
"""

from __future__ import annotations

from oscp_sim.conversation.conversation import Conversation
from oscp_sim.conversation.memory import CASES, Said, case_of

__all__ = ["CASES", "Conversation", "Said", "case_of"]
