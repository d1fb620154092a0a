"""One GraphQL endpoint over the webhook delivery logs of many systems."""

__version__ = "0.1.0"
