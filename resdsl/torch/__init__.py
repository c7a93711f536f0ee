"""Networks in PyTorch: the module that a specification describes, its tensors, and its preprocessing.

Needs ``resdsl[torch]``. Importing this package imports no torch: what a name needs is imported when it is first used.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False

if TYPE_CHECKING:
    from resdsl.runtime.images import load_image as load_image
    from resdsl.torch.modules import module as module
    from resdsl.torch.modules import state_dict as state_dict
    from resdsl.torch.network import Network as Network
    from resdsl.torch.preprocessing import Transform as Transform
    from resdsl.torch.preprocessing import transform as transform

_MODULE_OF = {
    "Network": "resdsl.torch.network",
    "Transform": "resdsl.torch.preprocessing",
    "load_image": "resdsl.runtime.images",
    "module": "resdsl.torch.modules",
    "state_dict": "resdsl.torch.modules",
    "transform": "resdsl.torch.preprocessing",
}


def __getattr__(name: str) -> object:
    if name == "__all__":
        return sorted(_MODULE_OF)
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'resdsl.torch' has no attribute '{name}'")
    require_torch()
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def require_torch() -> None:
    """Raise ``UnavailableError`` if torch is not installed."""
    try:
        importlib.import_module("torch")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        from resdsl.diagnostics import UnavailableError, catalogue

        raise UnavailableError.of(
            catalogue.EXTRA_NEEDED,
            "networks in PyTorch need torch, which is not installed",
            helps=("run `pip install 'resdsl[torch]'`",),
        ) from None


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
