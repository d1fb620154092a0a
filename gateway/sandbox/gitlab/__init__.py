"""The simulator of GitLab."""

from gateway.sandbox.gitlab.api import GitLab

__all__ = ["GitLab"]
