"""archc: a language and compiler for neural-network architectures.

    import archc

    net = archc.load("resnet50")            # a spec that ships with archc, or a path to a .arch file
    net                                     # <Architecture resnet50: 25,557,032 parameters, ...>
    model = net.module(device="cpu")        # a torch.fx.GraphModule with torchvision's parameter names
    archc.check("my.arch")                  # [] when everything that the file claims is so

Names are loaded when they are first used: `import archc` alone costs next to nothing, and only building
modules imports torch.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing `typing` would cost more than all the rest
if TYPE_CHECKING:
    from .api import check, from_graph, from_onnx, from_torch, load, loads
    from .architecture import Architecture
    from .dsl.diagnostics import ArchError, Diagnostic

    __version__: str

__all__ = [
    "ArchError",
    "Architecture",
    "Diagnostic",
    "__version__",
    "check",
    "from_graph",
    "from_onnx",
    "from_torch",
    "load",
    "loads",
]

_HOMES = {
    "ArchError": ".dsl.diagnostics",
    "Architecture": ".architecture",
    "Diagnostic": ".dsl.diagnostics",
    "check": ".api",
    "from_graph": ".api",
    "from_onnx": ".api",
    "from_torch": ".api",
    "load_ipython_extension": ".notebook",
    "load": ".api",
    "loads": ".api",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        value = _version()
    elif name in _HOMES:
        from importlib import import_module

        value = getattr(import_module(_HOMES[name], __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def _version() -> str:
    """The version of the installed distribution, made from git's tags when it was built."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("archc-lang")
    except PackageNotFoundError:  # a checkout on `sys.path` that was never installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
