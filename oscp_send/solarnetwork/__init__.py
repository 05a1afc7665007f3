"""What SolarNetwork's code does with a message, restated: readings, rewritings and texts.

Each module names the library or class whose behaviour it holds. Nothing here sends anything.
"""

from __future__ import annotations
