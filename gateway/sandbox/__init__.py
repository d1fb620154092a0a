"""Simulated vendors over HTTP, for the demo and the tests.

Each vendor's simulator is a package in this folder. It is written from the vendor's documentation
and shares no code with the gateway, so that no mistake can be common to both.
"""

from gateway.sandbox.app import Sandbox
from gateway.sandbox.credentials import Credentials

__all__ = ["Credentials", "Sandbox"]
