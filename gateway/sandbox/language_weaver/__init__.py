"""The simulator of RWS Language Weaver Edge."""

from gateway.sandbox.language_weaver.api import LanguageWeaver

__all__ = ["LanguageWeaver"]
