"""Whether Snakemake's plugins for a profile are installed."""

import pkgutil
import sys

__all__ = ["require"]

PLUGINS = {  # by the package's extra, which is called as the profile
    "slurm": ["snakemake_executor_plugin_slurm"],
    "s3": ["snakemake_storage_plugin_s3"],
    "kubernetes": ["snakemake_executor_plugin_kubernetes", "snakemake_storage_plugin_s3"],
}


def require(extra: str) -> None:
    """End Python with one line on what to install, if a plugin of `extra` is missing.

    For `profiles/<extra>/config.yaml`, which calls it as Snakemake reads it: Snakemake itself would say below a page of
    its flags that one of them has no such choice.
    """
    there = {module.name for module in pkgutil.iter_modules()}  # as Snakemake finds them
    if missing := [name.replace("_", "-") for name in PLUGINS[extra] if name not in there]:
        sys.exit(
            f"error: profiles/{extra}: found no {' and no '.join(missing)}, expected Snakemake's plugin;"
            f" install it: {sys.executable} -m pip install 'sslfast[{extra}]'"
        )
