"""Cython: a module in a language close to Python, translated to C and compiled together with the kernels.

The types in a signature convert arguments: OverflowError for an integer that does not fit, TypeError for a wrong
type. A typed memoryview checks a buffer and gives its address. `with nogil` releases the GIL around a call; nop
keeps it.

Tried: int64_t for arguments, which takes 10.7 for 10; see kernels_cython.pyx.
"""

import shutil
import types

NAME = "Cython"
SOURCE = "https://cython.readthedocs.io/en/latest/src/userguide/external_C_code.html"
REQUIRES = ("Cython", "setuptools")
PYTHON = ">=3.11"
RELEASES = ("fib", "total", "mandelbrot", "mandelbrot_threaded")
FILES = ("kernels_cython.pyx",)


def version():
    import _build
    import Cython

    return f"Cython {Cython.__version__}, {_build.compiler_version()}"


def compile_module(folder):
    import _build

    if _build.extension_path(folder, "kernels_cython").exists():
        return
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    extension = Extension(
        "kernels_cython",
        sources=[
            shutil.copy2(_build.HERE / "kernels_cython.pyx", folder),
            *map(str, _build.SOURCES),
        ],
        include_dirs=[str(_build.HERE)],
        extra_compile_args=_build.FLAGS,
        extra_link_args=["-pthread"],
    )
    # The same as `python setup.py build_ext`, without a setup.py.
    builder = Distribution({"ext_modules": cythonize(extension, quiet=True)}).get_command_obj("build_ext")
    builder.build_lib = builder.build_temp = str(folder)
    builder.ensure_finalized()
    builder.run()


def build(folder):
    import _build

    compile_module(folder)
    compiled = _build.extension(folder, "kernels_cython")
    return types.SimpleNamespace(
        nop=compiled.nop,
        fib=compiled.fib,
        total=compiled.total,
        mandelbrot=compiled.mandelbrot,
        mandelbrot_threaded=compiled.mandelbrot_threaded,
    )
