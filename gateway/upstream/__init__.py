"""Calls to vendors over HTTP; no other package calls httpx."""
