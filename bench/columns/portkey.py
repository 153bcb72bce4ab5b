"""Portkey gateway: routes by request headers; no keys of its own, it counts and charges nothing."""

import json
import shutil

from bench.columns.column import ROOT, Column, Command, Site

PACKAGE = ROOT / "bench" / "peers" / "portkey" / "node_modules" / "@portkey-ai" / "gateway"


class Portkey(Column):
    name = "portkey"
    gentle = True

    def available(self) -> bool:
        return PACKAGE.exists() and shutil.which("node") is not None

    def version(self) -> str:
        return json.loads((PACKAGE / "package.json").read_text())["version"]

    def command(self, site: Site) -> Command:
        argv = ["node", PACKAGE / "build" / "start-server.js", "--headless", f"--port={site.port}"]
        return Command(argv, {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "localhost,127.0.0.1"})

    def open(self, site: Site) -> dict[str, str]:
        return {
            "Authorization": "Bearer sk-bench",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://127.0.0.1:{site.mock_port}/v1",
        }
