"""netwatch: keeps the books of an internet line, where it stands."""

__version__ = "0.1.0"
