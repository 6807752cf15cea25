"""Checks, before anything is trained, whether a bucket can hold a study."""

from urllib.parse import urlsplit

from ..errors import DataError

__all__ = ["MARKER", "check_bucket"]

# An object that stays in the bucket: Snakemake's plugin deletes a bucket together with the last object in it.
MARKER = ".sslfast"


def check_bucket(s3, place: str, write: bool = True) -> None:
    """Raises `DataError` if a study cannot keep its files below `place`, `s3://<bucket>/<prefix>`.

    `s3`: a boto3 resource, with credentials and endpoint. Lists the objects below `place` and, with `write`, puts an
    empty object `MARKER` there. The message quotes boto3: no such bucket, no rights, no credentials, or no answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # comes with the plugin that needs it

    parts = urlsplit(place or "")
    if parts.scheme != "s3" or not parts.netloc:
        raise DataError(
            f"default-storage-prefix: found {place!r}, expected s3://<bucket>/<prefix>;"
            " say --default-storage-prefix, or write it into the profile"
        )
    below = f"{parts.path.strip('/')}/".lstrip("/")
    try:
        s3.meta.client.list_objects_v2(Bucket=parts.netloc, Prefix=below, MaxKeys=1)
        if write:
            s3.Object(parts.netloc, f"{below}{MARKER}").put(Body=b"")
    except (BotoCoreError, ClientError) as error:
        raise DataError(
            f"{place}: this bucket cannot be used ({str(error).rstrip('.')}); it has to exist, and the credentials"
            " have to allow to list, read, write and delete there"
        ) from None
