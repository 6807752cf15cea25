"""Names that configs, records and tables share: of the baseline, of controls, and of studies of a folder."""

import os
import re
import unicodedata
from pathlib import Path

from ..errors import printable

__all__ = ["BASE", "PIXELS", "RANDOM", "SHUFFLED", "SUPERVISED", "WITHOUT_ENCODER", "names_of_folder"]

SUPERVISED, RANDOM, PIXELS = "supervised", "random", "pixels"  # the baseline and two controls
BASE = "base"  # the method of an arm that is an existing net, with weights from elsewhere
WITHOUT_ENCODER = (SUPERVISED, PIXELS)  # these use no unlabelled images, and have no u
SHUFFLED = "shuffled_"  # the control made of a method's encoder is called so, then as the method
LONGEST = 60  # letters of a study's name if it is made from a folder's; a config may give a longer one
NAMELESS = "images"


def names_of_folder(folder: str | Path) -> tuple[str, str]:
    """What a study of the images in `folder` is called, if nobody says so: its name, safe in paths, and its title.

    `~/Meine Bilder (2)` gives `Meine-Bilder-2` and `Meine Bilder (2)`. One without Latin letters or digits: `images`.
    """
    name = os.path.basename(os.path.abspath(os.path.expanduser(folder)))
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    safe = re.sub(r"[^A-Za-z0-9_.]+", "-", plain).strip("-_.")[:LONGEST].rstrip("-_.")
    title = " ".join(printable(unicodedata.normalize("NFC", name)).replace("<", "(").replace(">", ")").split())
    return safe or NAMELESS, title or safe or NAMELESS
