"""The command `sslfast`, also as `python -m sslfast`."""

import argparse
import sys
from collections.abc import Sequence

from .errors import SslfastError, one_line

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments ask for; 0, or 1 after one line on what was wrong."""
    parser = argparse.ArgumentParser(
        prog="sslfast",
        description="How much is unlabelled data worth for your images? Begin with: sslfast init ~/pictures",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="init")
    init = commands.add_parser(
        "init",
        usage="sslfast init FOLDER [KEY=VALUE ...] [--time 2h] [--output FILE]",
        help="look at a folder of images, and write a config that fits them",
        description="Look at a folder of images, say what is there, and write a config that fits them and a time, each"
        " line with its reason. Nothing is trained, and no file is overwritten.",
    )
    init.add_argument("folder", metavar="FOLDER", help="your images: <class>/…, or train/<class>/… and unlabelled/…")
    known = "keys of the config that you choose yourself, such as labels=labels.csv or seeds=3 (config/README.md)"
    init.add_argument("choices", metavar="KEY=VALUE", nargs="*", help=known)
    init.add_argument("--time", default="2h", help="what the study may take here, as 40min, 2h or 1d (%(default)s)")
    init.add_argument("--output", metavar="FILE", help="the config to write (config/<name of the folder>.yaml)")
    options = parser.parse_args(arguments)
    try:
        from .proposal.command import init as run  # not before: --help is there at once

        return run(options.folder, options.choices, options.time, options.output)
    except (SslfastError, OSError, MemoryError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
