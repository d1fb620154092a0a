"""Brings the explorer's third-party files into every wheel and editable install."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ExplorerBuildHook(BuildHookInterface):
    """Fetches the files into the tree; a build without them succeeds, and says so."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Run before hatchling packs the files; ``version`` is "standard" or "editable"."""
        assets = runpy.run_path(str(Path(self.root, "gateway/web/assets.py")))
        static = assets["STATIC"]
        try:
            assets["fetch"](static)
        except assets["AssetError"] as error:
            self.app.display_warning(
                "WARNING: GraphiQL is not built in; the page at /graphql will load it from a "
                "public CDN. With Node.js and npm installed, install the gateway again to have "
                f"the gateway serve it. The reason: {error}"
            )
            return
        build_data["force_include"].update(
            {
                str(static / asset.name): f"gateway/web/static/{asset.name}"
                for asset in assets["ASSETS"]
            }
        )
