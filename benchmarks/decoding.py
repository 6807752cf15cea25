"""What it takes to read photographs: memory of very large ones, and images a second and core against other decoders.

    python benchmarks/decoding.py memory [--megapixels 190]
    python benchmarks/decoding.py speed  [--images 40]       # the others where they are: torchvision, simplejpeg, cv2

`memory`: a process of its own reads one image of each kind to 224 × 224; its peak above that of a process which reads
a small one, as megabytes and bytes a pixel. `speed`: JPEGs of 12 megapixels (noise over gradients, quality 90, about 4
MB each) to 224 × 224 in one thread; decoders take turns, best of three, in seconds of the processor.
"""

import argparse
import importlib.util
import io
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 224  # pixels
ROUNDS = 3


def large_images(megapixels: int) -> dict[str, tuple[str, Callable[[], Image.Image], dict]]:
    """Kinds of a large image: suffix, what makes it, options of its file."""
    side = round((megapixels * 1e6) ** 0.5)
    quick = {"compress_level": 1}

    def of(mode: str, colour) -> Callable[[], Image.Image]:
        return lambda: Image.new(mode, (side, side), colour)

    def deep() -> Image.Image:
        return Image.fromarray(np.full((side, side), 1000, np.uint16))

    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    return {
        "JPEG, colour": ("jpg", of("RGB", "teal"), {"quality": 80}),
        "JPEG, progressive": ("jpg", of("RGB", "teal"), {"quality": 80, "progressive": True}),
        "PNG, grey": ("png", of("L", 90), quick),
        "PNG, colour": ("png", of("RGB", "teal"), quick),
        "PNG, colour, turned": ("png", of("RGB", "teal"), {**quick, "exif": exif}),
        "PNG, transparent": ("png", of("RGBA", (0, 90, 90, 128)), quick),
        "PNG, 16-bit grey": ("png", deep, quick),
        "TIFF, colour": ("tif", of("RGB", "teal"), {"compression": "tiff_lzw"}),
        "TIFF, 16-bit grey": ("tif", deep, {}),
    }


def read(path: str, answers) -> None:
    from sslfast.data.decoding import Decoding

    Decoding(SIZE, 3, grey=(0, 4095), max_megapixels=10_000)([path])
    # not what getrusage says, which a process begins with from the one that started it
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    answers.put(int(status.split("VmHWM:")[1].split()[0]) * 1024)


def peak(path: Path) -> int:
    """Bytes that a process held at most which read the image at `path`."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=read, args=(str(path), answers))
    process.start()
    found = answers.get()
    process.join()
    return found


def memory(megapixels: int) -> None:
    Image.MAX_IMAGE_PIXELS = None
    with tempfile.TemporaryDirectory() as folder:
        for kind, (suffix, make, options) in large_images(megapixels).items():
            path, small = Path(folder) / f"large.{suffix}", Path(folder) / f"small.{suffix}"
            make().save(path, **options)
            Image.new("RGB", (64, 64)).save(small)
            taken = peak(path) - peak(small)
            print(f"{kind:20} {taken / 1e6:6,.0f} MB, {taken / (megapixels * 1e6):4.1f} bytes a pixel", flush=True)
            path.unlink()


def photographs(n: int) -> list[bytes]:
    """JPEGs of 4000 × 3000 that compress as photographs do."""
    rng = np.random.default_rng(0)
    across, down = np.meshgrid(np.linspace(0, 1, 4000), np.linspace(0, 1, 3000))
    found = []
    for _ in range(n):
        waves = [np.sin(20 * (rng.random() * across + rng.random() * down)) for _ in range(3)]
        pixels = 127 + 80 * np.stack(waves, -1) + rng.normal(0, 12, (3000, 4000, 1))
        found.append(_jpeg(Image.fromarray(pixels.clip(0, 255).astype(np.uint8))))
    return found


def decoders() -> dict[str, Callable[[bytes], np.ndarray]]:
    """Each from the bytes of a file to uint8 `[SIZE, SIZE, 3]`, the centre of the image."""
    from sslfast.data.decoding import decode

    def whole(data: bytes) -> np.ndarray:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(_cut(image.convert("RGB")))

    found = {"sslfast (Pillow, draft)": lambda data: decode(io.BytesIO(data), SIZE, 3), "Pillow, whole": whole}
    found |= {"torchvision.io": way} if (way := _torchvision()) else {}
    if importlib.util.find_spec("simplejpeg"):
        import simplejpeg

        def simple(data: bytes) -> np.ndarray:
            x = simplejpeg.decode_jpeg(data, "RGB", min_height=2 * SIZE, min_width=2 * SIZE)
            return np.asarray(_cut(Image.fromarray(x)))

        found["simplejpeg, reduced"] = simple
    if importlib.util.find_spec("cv2"):
        import cv2

        cv2.setNumThreads(1)

        def opencv(data: bytes) -> np.ndarray:
            x = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_COLOR_4)
            return np.asarray(_cut(Image.fromarray(cv2.cvtColor(x, cv2.COLOR_BGR2RGB))))

        found["OpenCV, reduced"] = opencv
    return found


def _torchvision() -> Callable[[bytes], np.ndarray] | None:
    import torch

    from sslfast._torchvision import make_importable

    try:
        make_importable()
        from torchvision.io import ImageReadMode, decode_jpeg
        from torchvision.transforms.v2.functional import center_crop, resize
    except (ImportError, RuntimeError):
        return None

    def way(data: bytes) -> np.ndarray:
        x = decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), mode=ImageReadMode.RGB)
        return center_crop(resize(x, [SIZE], antialias=True), [SIZE, SIZE]).permute(1, 2, 0).numpy()

    try:
        way(_jpeg(Image.new("RGB", (SIZE, SIZE))))
    except (RuntimeError, AttributeError) as error:  # a build for another torch
        print(f"torchvision.io does not decode here ({str(error).splitlines()[0]})")
        return None
    return way


def speed(n: int) -> None:
    files, ways = photographs(n), decoders()
    print(f"{n} JPEGs of 12 megapixels, {np.mean([len(file) for file in files]) / 1e6:.1f} MB each on average")
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.process_time()
            for file in files:
                way(file)
            best[name] = min(best[name], time.process_time() - start)
    ours = best["sslfast (Pillow, draft)"]
    for name, seconds in best.items():
        print(f"{name:24} {n / seconds:6.1f} images a second, {ours / seconds:5.2f} of ours")


def _jpeg(image: Image.Image) -> bytes:
    target = io.BytesIO()
    image.save(target, "JPEG", quality=90)
    return target.getvalue()


def _cut(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.fit(image, (SIZE, SIZE), Image.Resampling.BICUBIC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["memory", "speed"])
    parser.add_argument("--megapixels", type=int, default=190)
    parser.add_argument("--images", type=int, default=40)
    options = parser.parse_args()
    if options.what == "memory":
        memory(options.megapixels)
    else:
        import torch

        torch.set_num_threads(1)
        speed(options.images)


if __name__ == "__main__":
    main()
