"""Put the demos into a wheel, and compile `autograd_lite/_core.c` if there is a C compiler.

Without a compiler the package is complete, and slower.
"""

import contextlib
import hashlib
import os
import re
import sys
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

MODULE, SOURCE = "autograd_lite._core", "autograd_lite/_core.c"


def is_set(variable: str) -> bool:
    """Whether an environment variable says yes."""
    return os.environ.get(variable, "0") not in ("", "0")


def long_description(readme: str, address: str) -> str:
    """The README with absolute links and pictures, and badges; without an address as it is."""
    if not address:
        return readme
    title, _, rest = readme.partition("\n")
    badges = " ".join(
        f"[![{name}]({address}/actions/workflows/{name}.yml/badge.svg)]({address}/actions)"
        for name in ("tests", "wheels")
    )
    parts = re.split(r"(^```.*?^```)", rest, flags=re.DOTALL | re.MULTILINE)  # code stands in every second one
    for k in range(0, len(parts), 2):
        pictures = re.sub(r"(!\[[^\]]*\]\()(?!https?:)", rf"\1{address}/raw/main/", parts[k])
        parts[k] = re.sub(r"(?<=\]\()(?!https?:|mailto:|#)", f"{address}/blob/main/", pictures)
    return f"{title}\n\n{badges}\n{''.join(parts)}"


class LongDescription(MetadataHookInterface):
    """The README as the long description, and the project's URLs."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the fields that pyproject.toml names as dynamic."""
        address = self.config.get("address", "").rstrip("/")
        text = long_description(Path(self.root, "README.md").read_text(encoding="utf-8"), address)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        places = {"Documentation": "blob/main/docs", "Changelog": "blob/main/CHANGELOG.md", "Issues": "issues"}
        metadata["urls"] = {"Source": address} | {k: f"{address}/{v}" for k, v in places.items()} if address else {}


class CompiledCore(BuildHookInterface):  # type: ignore[type-arg]
    """`AUTOGRAD_LITE_PURE=1` leaves the core out; `AUTOGRAD_LITE_REQUIRE_CORE=1` makes a failure an error."""

    #: Holds the extension until the build has packed it.
    folder: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the extension into the wheel, or beside its source for an editable install."""
        editable = version == "editable"
        if not editable:  # in an editable install the copy would hide the demos of the checkout
            build_data["force_include"][str(Path(self.root, "demos"))] = "autograd_lite/demos"
        if is_set("AUTOGRAD_LITE_PURE"):
            if editable:
                self.remove()
            return
        if sys.implementation.name != "cpython":
            return
        if not editable:
            self.folder = tempfile.TemporaryDirectory()
        try:
            built = self.compiled(self.folder.name if self.folder else self.root)
        except (Exception, SystemExit) as error:  # distutils ends the process where no compiler is found
            if is_set("AUTOGRAD_LITE_REQUIRE_CORE"):
                raise
            self.app.display_warning(
                f"autograd_lite: no compiled core ({type(error).__name__}: {error}); it is pure Python."
            )
            return
        if not editable:
            build_data["force_include"][str(built)] = f"autograd_lite/{built.name}"
            build_data["pure_python"], build_data["infer_tag"] = False, True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the folder of the extension: the wheel holds a copy."""
        del version, build_data, artifact_path
        if self.folder:
            self.folder.cleanup()

    def remove(self) -> None:
        """Remove the extension that an earlier editable install left: the next import would use it."""
        for suffix in EXTENSION_SUFFIXES:
            Path(self.root, SOURCE).with_name(f"_core{suffix}").unlink(missing_ok=True)

    def compiled(self, folder: str) -> Path:
        """Compile, and return the extension, below `folder` where the package would have it."""
        # Imported here, since a pure build does without.
        from setuptools import Distribution, Extension  # noqa: PLC0415
        from setuptools.command.build_ext import build_ext  # noqa: PLC0415

        digest = hashlib.sha256(Path(self.root, SOURCE).read_bytes()).hexdigest()[:16]
        # The same bits on every machine: no products fused with sums, which gcc does where the processor can.
        options = [] if os.name == "nt" else ["-O3", "-fno-fast-math", "-ffp-contract=off", "-fno-strict-aliasing"]
        extension = Extension(
            MODULE, [SOURCE], extra_compile_args=options, define_macros=[("CORE_DIGEST", f"_{digest}")], depends=[]
        )
        command = build_ext(Distribution({"name": "autograd_lite", "ext_modules": [extension]}))
        command.build_lib, command.force = folder, True
        with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(self.root):
            command.build_temp = scratch
            command.ensure_finalized()
            command.run()
        return Path(command.get_ext_fullpath(MODULE))
