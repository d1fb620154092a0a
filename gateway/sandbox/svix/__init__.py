"""The simulator of Svix."""

from gateway.sandbox.svix.api import Svix

__all__ = ["Svix"]
