import subprocess

import pytest

from bench.native import HERE, build


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """The directory with `mock` and `load`, built from the sources as they are."""
    directory = tmp_path_factory.mktemp("bench-native")
    build(directory)
    return directory


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """A C program around one of the headers of native/, compiled from its text."""
    directory = tmp_path_factory.mktemp("bench-drivers")

    def compile_text(name, text):
        source, program = directory / f"{name}.c", directory / name
        source.write_text(text)
        subprocess.run(["cc", "-O1", "-Wall", "-Werror", "-I", HERE / "native", "-o", program, source], check=True)
        return program

    return compile_text
