"""Secondgate: the second gate behind everyone's login, a forward-auth MFA sidecar."""

__version__ = "0.1.0"
