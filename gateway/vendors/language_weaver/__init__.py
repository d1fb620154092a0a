"""The kit of RWS Language Weaver Edge."""

from gateway.vendors.language_weaver.vendor import LanguageWeaver

KIT = LanguageWeaver
