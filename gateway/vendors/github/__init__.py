"""The kit of GitHub."""

from gateway.vendors.github.vendor import GitHub

KIT = GitHub
