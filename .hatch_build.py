"""Brings third-party files of the explorer and the console into every wheel and sdist."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WebBuildHook(BuildHookInterface):
    """Fetches the files into the tree; a build without them succeeds, and says so."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Run before hatchling packs the files; ``version`` is "standard" or "editable"."""
        assets = runpy.run_path(str(Path(self.root, "gateway/web/assets.py")))
        static = assets["STATIC"]
        try:
            assets["fetch"](static)
        except assets["AssetError"] as error:
            self.app.display_warning(
                "WARNING: The console at / is not built in, and neither is GraphiQL: the page at "
                "/graphql will load it from a public CDN. With Node.js and npm installed, install "
                f"the gateway again to have the gateway serve both. The reason: {error}"
            )
            return
        build_data["force_include"].update(
            {
                str(static / asset.name): f"gateway/web/static/{asset.name}"
                for asset in assets["ASSETS"]
            }
        )
