"""The simulators of GitHub, and of a GitHub App's own webhook."""

from gateway.sandbox.github.api import GitHub
from gateway.sandbox.github.app_api import GitHubApp

__all__ = ["GitHub", "GitHubApp"]
