"""The Flexibility Provider: its endpoints, its own messages, and the delivery of instructions."""
