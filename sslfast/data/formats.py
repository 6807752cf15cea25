"""The kind of a file, told by its first bytes, never by its name."""

__all__ = ["HEAD", "SUFFIXES", "is_image", "kind_of", "kind_of_file", "plural"]

HEAD = 512  # bytes that tell what a file is

# Files with these suffixes are listed as images without being opened, since opening thousands of files is slow.
_KNOWN = """
png apng jpg jpeg jpe jfif jif mpo bmp dib webp gif tif tiff avif avifs heic heif heics heifs hif jp2 j2k jpf jpx jpc
j2c ppm pgm pbm pnm pfm tga pcx sgi rgb bw ico dds qoi psd xbm xpm msp im icns jxl
"""
SUFFIXES = tuple(f".{name}" for name in _KNOWN.split())

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"qoif", "QOI"),
    (b"8BPS", "Photoshop"),
    (b"DDS ", "DDS"),
    (b"icns", "ICNS"),
    (b"\x01\xda\x00", "SGI"),
    (b"\x01\xda\x01", "SGI"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"%PDF", "PDF"),
    (b"\xd7\xcd\xc6\x9a", "Windows metafile"),
    (b"version https://git-lfs", "Git LFS pointer"),
    (b"PK\x03\x04", "ZIP archive"),
    (b"\x1f\x8b", "gzip archive"),
    (b"Rar!", "RAR archive"),
)
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"), "HEIC"),
}
_NOUNS = {"file", "pointer", "page", "archive", "zeros", "document", "drawing", "metafile"}
_IMAGES = {
    *(
        "PNG",
        "JPEG",
        "GIF",
        "TIFF",
        "JPEG 2000",
        "QOI",
        "Photoshop",
        "DDS",
        "ICNS",
        "SGI",
        "BMP",
        "WebP",
        "AVIF",
        "HEIC",
    ),
    *("JPEG XL", "PPM"),
}


def is_image(head: bytes) -> bool:
    """Whether a file that begins with `head` is an image, even one of a format that cannot be read here."""
    return kind_of(head) in _IMAGES


def kind_of(head: bytes) -> str:
    """The kind of a file that begins with `head`, in a word or two; `""` if unknown."""
    if not head:
        return "empty file"
    if not head.strip(b"\0"):
        return "file of zeros"
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF":
        return "WebP" if head[8:12] == b"WEBP" else ""
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return "BMP"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PPM"
    if head[128:132] == b"DICM":
        return "DICOM file"
    return _of_text(head)


def kind_of_file(path: str) -> str:
    """`kind_of` the file at `path`; `""` if it cannot be opened."""
    try:
        with open(path, "rb") as file:
            return kind_of(file.read(HEAD))
    except (OSError, ValueError):
        return ""


def plural(kind: str, n: int) -> str:
    """A number of files of a kind, in words: `3 Git LFS pointers`."""
    noun = kind if kind.split()[-1] in _NOUNS else f"{kind} file"
    if n == 1:
        return f"1 {noun}"
    return f"{n:,} files of zeros" if kind == "file of zeros" else f"{n:,} {noun}s"


def _of_brands(head: bytes) -> str:
    """HEIC, AVIF or video, by the brands in the header: AVIF if any brand says so, since `mif1` may be either."""
    n = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, n, 4))]
    kinds = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    return ("AVIF" if "AVIF" in kinds else kinds[0]) if kinds else "video"


def _of_text(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in text:
        return "HTML page"
    if b"<svg" in text:
        return "SVG drawing"
    if text.startswith(b"<?xml"):
        return "XML document"
    return "" if b"\0" in head or any(byte < 9 for byte in head) or not _is_utf8(head) else "text file"


def _is_utf8(head: bytes) -> bool:
    try:
        head[: max(1, len(head) - 3)].decode("utf-8")  # a letter at the end may be cut
    except UnicodeDecodeError:
        return False
    return True
