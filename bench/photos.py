"""Photos as a phone takes them: 12 megapixels, about 2 MB, held upright, with GPS in their EXIF.

Made, not shipped: smooth light, hard edges and sensor grain give JPEG the work a real scene does.
"""

import argparse
import random
from io import BytesIO
from pathlib import Path
from struct import pack
from typing import NamedTuple

from PIL import Image, ImageChops, ImageDraw, ImageFilter
from PIL.ExifTags import GPS, IFD, Base
from PIL.TiffImagePlugin import IFDRational

WIDTH, HEIGHT = 4032, 3024  # as the sensor reads; upright is HEIGHT by WIDTH
QUALITY = 88
GRAIN_MIDDLE = 8  # the mean of the noise that is added to every level
ROTATED = 6  # EXIF orientation: turn 90 degrees clockwise to stand upright
PLACE = b"Kreuzberg heliograph tower 7"
MAKER, MODEL = "Heliograph Works", "Pocket 12"


class Coordinates(NamedTuple):
    """Degrees north and east."""

    latitude: float
    longitude: float


BERLIN = Coordinates(52.487_613, 13.379_214)


def camera_photo(seed: int = 1, *, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """A JPEG with EXIF (GPS, camera, thumbnail size), XMP and a colour profile; equal per seed."""
    picture = scene(random.Random(seed), width, height)
    written = BytesIO()
    picture.save(
        written,
        "JPEG",
        quality=QUALITY,
        subsampling="4:2:0",
        exif=exif_of(BERLIN, seed),
        xmp=xmp_of(BERLIN),
    )
    return written.getvalue()


def another(photo: bytes, number: int) -> bytes:
    """The same pixels under another digest: a JPEG comment after the first marker."""
    text = f"number {number}".encode()
    return photo[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2) + text + photo[2:]


def traces_of(photo: bytes) -> list[bytes]:
    """Byte strings of a camera photo's metadata, none of which may stand in anything served."""
    with Image.open(BytesIO(photo)) as opened:
        location = opened.getexif().get_ifd(IFD.GPSInfo)
    seconds = location[GPS.GPSLatitude][2]
    order = ">" if b"Exif\x00\x00MM" in photo else "<"
    degrees = pack(order + "2L", seconds.numerator, seconds.denominator)
    traces = [PLACE, MAKER.encode(), MODEL.encode(), b"GPSLatitude", b"Exif\x00\x00", degrees]
    missing = [trace for trace in traces if trace not in photo]
    if missing:
        message = f"this photo proves nothing, it lacks {missing}"
        raise ValueError(message)
    return traces


def scene(dice: random.Random, width: int, height: int) -> Image.Image:
    light = cloud(dice, width, height, cells=6)
    picture = Image.merge("RGB", [cloud(dice, width, height, cells=5 + n) for n in range(3)])
    picture = Image.blend(picture, Image.merge("RGB", [light] * 3), 0.5)
    draw = ImageDraw.Draw(picture)
    for _ in range(60):
        x, y = dice.randrange(width), dice.randrange(height)
        size = dice.randrange(width // 60 + 1, width // 9 + 2)
        colour = tuple(dice.randrange(256) for _ in range(3))
        box = (x, y, x + size, y + dice.randrange(size // 2, 2 * size))
        (draw.ellipse if dice.random() < 0.5 else draw.rectangle)(box, fill=colour)
    return ImageChops.add(picture, grain(dice, width, height), scale=1, offset=-GRAIN_MIDDLE)


def cloud(dice: random.Random, width: int, height: int, *, cells: int) -> Image.Image:
    """One channel of soft light: a few random values stretched over the picture."""
    small = Image.frombytes("L", (cells, cells), dice.randbytes(cells * cells))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def grain(dice: random.Random, width: int, height: int) -> Image.Image:
    """Sensor noise: one tile of it, repeated, slightly softened as a camera's own filter does."""
    tile = Image.frombytes("L", (512, 512), dice.randbytes(512 * 512))
    tile = tile.filter(ImageFilter.GaussianBlur(0.6)).point(
        lambda level: level * GRAIN_MIDDLE // 64
    )
    sheet = Image.new("L", (width, height))
    for x in range(0, width, 512):
        for y in range(0, height, 512):
            sheet.paste(tile, (x, y))
    return Image.merge("RGB", [sheet] * 3)


def exif_of(place: Coordinates, seed: int) -> Image.Exif:
    exif = Image.Exif()
    exif[Base.Make] = MAKER
    exif[Base.Model] = MODEL
    exif[Base.Orientation] = ROTATED
    exif[Base.DateTime] = "2026:05:17 09:41:00"
    exif[Base.Software] = "camera 7.1"
    exif.get_ifd(IFD.Exif).update(
        {
            Base.DateTimeOriginal: "2026:05:17 09:41:00",
            Base.ExposureTime: IFDRational(1, 250),
            Base.FNumber: IFDRational(9, 5),
            Base.ISOSpeedRatings: 64,
            Base.BodySerialNumber: f"HW-{seed:08d}",
            Base.LensModel: "26 mm f/1.8",
        }
    )
    exif.get_ifd(IFD.GPSInfo).update(
        {
            GPS.GPSVersionID: b"\x02\x03\x00\x00",
            GPS.GPSLatitudeRef: "N",
            GPS.GPSLatitude: sexagesimal(place.latitude),
            GPS.GPSLongitudeRef: "E",
            GPS.GPSLongitude: sexagesimal(place.longitude),
            GPS.GPSAltitude: IFDRational(52),
            GPS.GPSAreaInformation: b"ASCII\x00\x00\x00" + PLACE,
            GPS.GPSDateStamp: "2026:05:17",
        }
    )
    return exif


def sexagesimal(degrees: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    """Degrees, minutes and hundredths of seconds, as EXIF keeps them."""
    hundredths = round(degrees * 360_000)
    return (
        IFDRational(hundredths // 360_000),
        IFDRational(hundredths % 360_000 // 6_000),
        IFDRational(hundredths % 6_000, 100),
    )


def xmp_of(place: Coordinates) -> bytes:
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        'xmlns:exif="http://ns.adobe.com/exif/1.0/" '
        f'exif:GPSLatitude="{place.latitude:.6f}N" exif:GPSLongitude="{place.longitude:.6f}E"/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def main() -> None:
    """`python -m bench.photos FILE` writes one."""
    parser = argparse.ArgumentParser("python -m bench.photos", description=__doc__)
    parser.add_argument("file", type=Path, help="where to write the JPEG")
    parser.parse_args().file.write_bytes(camera_photo())


if __name__ == "__main__":
    main()
