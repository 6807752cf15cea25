"""What a job of a study depends on, beside its images and the config's keys."""

from collections.abc import Mapping

from .config import method_settings
from .grid import Box
from .own import own_code
from .version import code_version

__all__ = ["code_of"]


def code_of(config: Mapping, box: Box) -> str | dict[str, str]:
    """A digest of the code of the job's stage, its encoder class, and the method that trained the encoder.

    Where code of a person's own is used, a map that holds the digests of that, too, by name. `config`: a checked one.
    """
    made = code_version(box.stage, _method(config, box), box.encoder)
    own = own_code(config, box.encoder, box.method)
    return {"sslfast": made, **own} if own else made


def _method(config: Mapping, box: Box) -> str | None:
    """The method's name (of a variant, its base method); None if the job uses no pre-trained encoder."""
    return method_settings(config, box.method).get("method") if box.u else None
