"""Which format should renditions have? Bytes, CPU and likeness of each candidate, as Markdown.

Photos are made here, 12 megapixels each, since no photograph comes with the packages: fractal
light and texture (amplitude falling with frequency, as in nature), hard-edged shapes over it, and
sensor noise; stored as a camera would, JPEG 90. Run: python -m bench.image_formats
"""

import os
import random
import resource
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import pyvips

from workers.imaging.recipe import sizes_of

WIDTH, HEIGHT = 4000, 3000
NOISES = {"day": 1.5, "indoors": 4.0, "night": 9.0}
ROUNDS = 3

CANDIDATES: dict[str, tuple[str, dict[str, Any]]] = {
    "JPEG 70": (".jpg", {"Q": 70, "optimize_coding": True}),
    "JPEG 75": (".jpg", {"Q": 75, "optimize_coding": True}),
    "JPEG 80": (".jpg", {"Q": 80, "optimize_coding": True}),
    "JPEG 80, fixed Huffman tables": (".jpg", {"Q": 80}),
    "JPEG 80, progressive": (".jpg", {"Q": 80, "optimize_coding": True, "interlace": True}),
    "JPEG 80, trellis": (
        ".jpg",
        {"Q": 80, "optimize_coding": True, "interlace": True, "trellis_quant": True},
    ),
    "JPEG 85": (".jpg", {"Q": 85, "optimize_coding": True}),
    "WebP 75, effort 0": (".webp", {"Q": 75, "effort": 0}),
    "WebP 80, effort 0": (".webp", {"Q": 80, "effort": 0}),
    "WebP 80, effort 1": (".webp", {"Q": 80, "effort": 1}),
    "WebP 80, effort 4": (".webp", {"Q": 80, "effort": 4}),
    "WebP 85, effort 1": (".webp", {"Q": 85, "effort": 1}),
    "AVIF 60, effort 0": (".avif", {"Q": 60, "effort": 0}),
}


def main() -> None:
    pyvips.cache_set_max(0)
    with tempfile.TemporaryDirectory() as folder:
        sources = [make_photo(Path(folder), noise) for noise in NOISES.values()]
        print("| photo | bytes | decode and resize to four sizes, CPU s |\n|---|---|---|")
        for name, source in zip(NOISES, sources, strict=True):
            seconds = least_cpu(partial(resized, source))
            print(f"| {name} | {source.stat().st_size:,} | {seconds:.3f} |")
        print("\n| format | kB of all four | encode CPU s | SSIM at 1080 |\n|---|---|---|---|")
        photos = [resized(source) for source in sources]
        for name, (suffix, options) in CANDIDATES.items():
            print(row(name, photos, Path(folder) / f"out{suffix}", options), flush=True)


def row(name: str, photos: list[list[Any]], path: Path, options: dict[str, Any]) -> str:
    """Means over the photos: bytes and CPU of all sizes, likeness of the one phones show most."""
    sizes, seconds, likenesses = [], [], []
    for images in photos:
        total = 0
        for image in images:
            image.write_to_file(str(path), keep="none", **options)
            total += path.stat().st_size
            if image.width == 1080:
                likenesses.append(likeness(image, pyvips.Image.new_from_file(str(path))))
        sizes.append(total)
        seconds.append(least_cpu(partial(encode, images, path, options)))
    return (
        f"| {name} | {fmean(sizes) / 1000:.0f} | {fmean(seconds):.3f} | {fmean(likenesses):.4f} |"
    )


def encode(images: list[Any], path: Path, options: dict[str, Any]) -> None:
    for image in images:
        image.write_to_file(str(path), keep="none", **options)


def resized(source: Path) -> list[Any]:
    """The photo at every width of the recipe, in memory, as workers/imaging does it."""
    *smaller, (width, height) = sizes_of(WIDTH, HEIGHT)
    images = [pyvips.Image.thumbnail(str(source), width, height=height, size="force").copy_memory()]
    for width, height in reversed(smaller):
        images.append(images[-1].thumbnail_image(width, height=height, size="force").copy_memory())
    return images


def likeness(one: Any, other: Any) -> float:
    """SSIM of the luma, the usual constants, Gaussian window of sigma 1.5."""
    x, y = (image.colourspace("b-w").cast("float") for image in (one, other))
    mean_x, mean_y = x.gaussblur(1.5), y.gaussblur(1.5)
    variance_x = (x * x).gaussblur(1.5) - mean_x * mean_x
    variance_y = (y * y).gaussblur(1.5) - mean_y * mean_y
    covariance = (x * y).gaussblur(1.5) - mean_x * mean_y
    light, contrast = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    above = (2 * mean_x * mean_y + light) * (2 * covariance + contrast)
    below = (mean_x * mean_x + mean_y * mean_y + light) * (variance_x + variance_y + contrast)
    return float((above / below).avg())


def least_cpu(work: Callable[[], object]) -> float:
    """The least CPU seconds of a few rounds: what disturbs a measurement only ever adds."""
    rounds = []
    for _ in range(ROUNDS):
        before = cpu_seconds()
        work()
        rounds.append(cpu_seconds() - before)
    return min(rounds)


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def make_photo(folder: Path, noise: float) -> Path:
    """A 12-megapixel camera JPEG with this much sensor noise; always the same one."""
    layers = [octave(2**step, 0.25 * 2 ** (0.9 * step), step) for step in range(2, 10)]
    light = pyvips.Image.sum(layers) + 120
    colour = [light + octave(256, 30, 50 + band) for band in range(3)]
    scene = colour[0].bandjoin(colour[1:]).cast("uchar").copy(interpretation="srgb")
    shapes = pyvips.Image.svgload_buffer(drawing().encode())
    grain = pyvips.Image.gaussnoise(WIDTH, HEIGHT, sigma=noise, mean=0, seed=7)
    photo = scene.composite2(shapes, "over").flatten() + grain
    path = folder / f"photo-{noise}.jpg"
    photo.cast("uchar").copy(interpretation="srgb").jpegsave(str(path), Q=90, keep="none")
    return path


def octave(scale: int, strength: float, seed: int) -> Any:
    """Random light and shade in patches of `scale` pixels."""
    columns, rows = WIDTH // scale + 4, HEIGHT // scale + 4
    noise = pyvips.Image.gaussnoise(columns, rows, sigma=strength, mean=0, seed=seed)
    return noise.resize(scale, kernel="cubic").crop(0, 0, WIDTH, HEIGHT)


def drawing() -> str:
    """Sixty translucent ellipses: the edges of things."""
    chance = random.Random(1)
    shapes = "".join(
        f'<ellipse cx="{chance.random() * WIDTH}" cy="{chance.random() * HEIGHT}" '
        f'rx="{chance.random() * WIDTH / 12}" ry="{chance.random() * HEIGHT / 9}" '
        f'fill="rgb({chance.randrange(256)},{chance.randrange(256)},{chance.randrange(256)})" '
        f'opacity="{0.2 + chance.random() / 2}"/>'
        for _ in range(60)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">{shapes}</svg>'
    )


if __name__ == "__main__":
    os.environ.setdefault("VIPS_CONCURRENCY", "1")
    main()
