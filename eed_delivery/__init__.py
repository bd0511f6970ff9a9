"""eed_delivery: delivers bulk, per-customer email, and can say what became of every single one."""

__version__ = "0.1.0"
