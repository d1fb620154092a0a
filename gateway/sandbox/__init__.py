"""A black box on HTTP that behaves like the four vendors' REST APIs, for the demo and for tests."""

from gateway.sandbox.app import Sandbox
from gateway.sandbox.credentials import Credentials

__all__ = ["Credentials", "Sandbox"]
