"""What SolarNetwork's code does with a message, restated: how it reads, rewrites and refuses.

Each module names the library or class that it restates. Nothing here sends anything.
"""

from __future__ import annotations
