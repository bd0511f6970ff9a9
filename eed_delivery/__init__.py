"""eed_delivery delivers bulk email, one personal message to each customer, and records what became of each one.

docs/architecture.md says where everything is.
"""

__version__ = "0.1.0"
