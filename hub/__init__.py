"""Lockstep's hub: the rules (`domain`), the rows (`store`), the sync engine (`sync`), the web (`web`) and the CLI."""

__version__ = "0.1.0"
