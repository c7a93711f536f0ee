"""torch is imported when a name of ``resdsl.torch`` is used, and an error says how to install it."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


WITHOUT_TORCH = """
    import sys
    sys.modules["torch"] = None  # As if it were not installed.
"""


def test_importing_the_package_imports_no_torch() -> None:
    program = """
        import sys, resdsl.torch, resdsl.torch.plan
        assert "module" in dir(resdsl.torch)
        print(sorted(name for name in sys.modules if name.split(".")[0] in ("torch", "numpy", "onnxruntime")))
    """
    assert run(program) == "[]"


def test_without_torch_an_error_says_what_to_install() -> None:
    program = """
        import resdsl
        try:
            resdsl.torch.module("resnet18")
        except resdsl.UnavailableError as error:
            print(error.diagnostic.code.id, error.exit_status, error.diagnostic.helps[0])
    """
    assert run(textwrap.dedent(WITHOUT_TORCH) + textwrap.dedent(program)) == "E0863 3 run `pip install 'resdsl[torch]'`"


def test_an_unknown_name_is_an_attribute_error_without_torch_too() -> None:
    program = "import resdsl.torch\nprint(hasattr(resdsl.torch, 'modul'))"
    assert run(textwrap.dedent(WITHOUT_TORCH) + program) == "False"
