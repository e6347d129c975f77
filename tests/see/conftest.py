"""What the tests of pictures share."""

import importlib.metadata

import pytest

from autograd_lite.see import render


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without any renderer."""

    def no_package(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.delenv(render.ENVIRONMENT, raising=False)
    monkeypatch.setattr(render.metadata, "files", no_package)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path
