"""What all simulated external systems have in common, Capacity Providers and Optimizers alike.

Each has a seat: what it knows, and what it can be told to send. Messages come in through
`external_system`, a blueprint for all systems of one kind.
"""

from simulator.external_system.call import Call, Reaction, Refused
from simulator.external_system.conduct import Conduct
from simulator.external_system.insistence import insist
from simulator.external_system.manners import Answer, Manners, PlainManners
from simulator.external_system.paths import PATHS
from simulator.external_system.records import Received, Sent
from simulator.external_system.routes import external_system
from simulator.external_system.seat import Seat
from simulator.external_system.seats import Seats
from simulator.external_system.segmentation import Segmenting

__all__ = [
    "PATHS",
    "Answer",
    "Call",
    "Conduct",
    "Manners",
    "PlainManners",
    "Reaction",
    "Received",
    "Refused",
    "Seat",
    "Seats",
    "Segmenting",
    "Sent",
    "external_system",
    "insist",
]
