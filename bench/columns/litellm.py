"""LiteLLM proxy, one worker, a master key and no database: it counts and charges nothing here."""

import subprocess

from bench.columns.column import ROOT, Column, Command, Site

BIN = ROOT / "bench" / "peers" / "litellm" / "bin"
KEY = "sk-bench"
MODEL = """\
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: http://127.0.0.1:{port}/v1
      api_key: {key}
"""


class LiteLLM(Column):
    name = "litellm"
    gentle = True
    ready_path = "/health/readiness"

    def available(self) -> bool:
        return (BIN / "litellm").exists()

    def version(self) -> str:
        code = "from importlib.metadata import version; print(version('litellm'))"
        return subprocess.run([BIN / "python", "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    def prepare(self, site: Site) -> None:
        models = "".join(MODEL.format(model=model, port=site.mock_port, key=KEY) for model in site.models)
        general = f"general_settings:\n  master_key: {KEY}\n"
        (site.directory / "config.yaml").write_text(f"model_list:\n{models}{general}")

    def command(self, site: Site) -> Command:
        argv = [
            BIN / "litellm",
            "--config",
            site.directory / "config.yaml",
            "--host",
            "127.0.0.1",
            "--port",
            str(site.port),
        ]
        return Command(
            argv, {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
        )

    def open(self, site: Site) -> dict[str, str]:
        del site
        return {"Authorization": f"Bearer {KEY}"}
