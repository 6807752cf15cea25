"""Whether a bucket can hold a study, said in one line before anything is trained."""

from urllib.parse import urlsplit

from ..errors import DataError

__all__ = ["MARKER", "check_bucket"]

# Stays there. Snakemake's plugin deletes a bucket together with the last object in it: this one keeps the bucket.
MARKER = ".sslfast"


def check_bucket(s3, place: str, write: bool = True) -> None:
    """`DataError` where a study cannot have its files below `place`, `s3://<bucket>/<prefix>`.

    `s3`: the service as boto3 knows it, a resource, with credentials and endpoint. Lists what is below `place`, and
    with `write` puts an empty object `MARKER` there. The message holds boto3's own words: no such bucket, no rights,
    no credentials, no answer.
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
