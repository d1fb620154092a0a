"""The simulator of Hookdeck."""

from gateway.sandbox.hookdeck.api import Hookdeck

__all__ = ["Hookdeck"]
