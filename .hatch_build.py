"""Brings third-party files of the explorer and the console, and a bill of materials."""

from __future__ import annotations

import base64
import json
import re
import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


class WebBuildHook(BuildHookInterface):
    """Fetches the files into the tree; a build without them succeeds, and says so."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Run before hatchling packs the files; ``version`` is "standard" or "editable"."""
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        included = self._add_explorer(build_data)
        core = self.metadata.core
        pins = Path(self.root, ".github/deploy/constraints.txt").read_text(encoding="utf-8")
        own = (core.name, self.metadata.version, core.license_expression)
        document = bill_of_materials(*own, pins, included)
        file = Path(self._folder.name, f"{core.name}.cdx.json")
        file.write_text(json.dumps(document, indent=1), encoding="utf-8")
        build_data["sbom_files"].append(str(file))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Run after hatchling has packed the files."""
        self._folder.cleanup()

    def _add_explorer(self, build_data: dict[str, Any]) -> list[Any]:
        """Add the explorer's files; return the assets, or none if they can't be fetched."""
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
            return []
        build_data["force_include"].update(
            {
                str(static / asset.name): f"gateway/web/static/{asset.name}"
                for asset in assets["ASSETS"]
            }
        )
        return list(assets["ASSETS"])


def bill_of_materials(
    name: str, version: str, license_id: str, pins: str, assets: list[Any]
) -> dict[str, Any]:
    """Return the SBOM of a wheel in CycloneDX's form, the same for each build of the same files.

    It lists the pinned packages that the wheel runs with, and the ``assets`` inside of it.
    """
    package = {
        "type": "application",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "licenses": [{"license": {"id": license_id}}],
    }
    components = [_component("pypi", *pin) for pin in _PIN.findall(pins)]
    for pinned in dict.fromkeys(asset.package for asset in assets):
        files = [
            {
                "type": "file",
                "name": f"gateway/web/static/{asset.name}",
                "hashes": [{"alg": "SHA-384", "content": _hexadecimal(asset.integrity)}],
            }
            for asset in assets
            if asset.package == pinned
        ]
        components.append({**_component("npm", *pinned.split("@")), "components": files})
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": package},
        "components": components,
        "dependencies": [
            {"ref": package["bom-ref"], "dependsOn": [each["bom-ref"] for each in components]}
        ],
    }


def _component(kind: str, name: str, version: str) -> dict[str, Any]:
    purl = f"pkg:{kind}/{name}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _hexadecimal(integrity: str) -> str:
    return base64.b64decode(integrity.removeprefix("sha384-")).hex()
