"""The sources of the demo, by name, and the simulated vendors that they read."""

from __future__ import annotations

VENDORS = {
    "github": "github",
    "gitlab": "gitlab",
    "hookdeck": "hookdeck",
    "repo-cn": "codearts",
    "shop": "elastic-path",
    "svix": "svix",
    "tracker": "yandex-tracker",
    "translations": "language-weaver",
}
SOURCES = tuple(VENDORS)
"""The names in the order in which the gateway gives them."""
FEW = ("codearts", "yandex-tracker", "language-weaver", "elastic-path")
"""Some of the vendors, for tests in which processes race and more work would only slow them."""
