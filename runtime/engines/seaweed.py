"""SeaweedFS: S3 on loopback ports, with one identity and one bucket."""

import json
import sysconfig
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from runtime.engines.place import Place, write_private

BUCKET = "heliograph"

# Every server of it listens; each port is given, or its gRPC twin would be port + 10000.
LISTENERS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
)

SIGNED = ("signing", "signing.read", "filer_signing", "filer_signing.read")

# It reports home unless told not to, and starts catalogues nobody here asks for.
OPTIONS = """\
ip=127.0.0.1
ip.bind=127.0.0.1
master.telemetry=false
master.electionTimeout=1s
master.volumeSizeLimitMB=1024
volume.max=0
volume.preStopSeconds=0
filer=true
filer.disableHttp=true
s3=true
s3.iam=false
s3.autoCreateBucket=false
s3.port.iceberg=0
s3.port.lance=0
iam=false
"""


def binary() -> Path:
    return Path(sysconfig.get_path("scripts")) / "weed"


def prepare(place: Place) -> None:
    conf = place.folder("conf")
    identity = {
        "name": "heliograph",
        "credentials": [{"accessKey": "heliograph", "secretKey": place.secret("objects")}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    write_private(conf / "objects-identities.json", json.dumps({"identities": [identity]}))
    listeners = "".join(f"{name}={port}\n" for name, port in ports(place).items())
    # Its servers behind S3 listen too; without these keys they would serve any local user.
    write_private(
        conf / "security.toml",
        "".join(f'[jwt.{user}]\nkey = "{place.secret("objects-inner")}"\n' for user in SIGNED),
    )
    write_private(
        conf / "objects.options",
        OPTIONS
        + listeners
        + f"dir={place.folder('objects')}\n"
        + f"s3.config={conf / 'objects-identities.json'}\n"
        + f"s3.localSocket={place.sockets / 's3.sock'}\n"
        + f"filer.localSocket={place.sockets / 'filer.sock'}\n",
    )


def command(place: Place) -> list[str]:
    conf = place.folder("conf")
    return [
        str(binary()),
        f"-config_dir={conf}",
        "server",
        f"-options={conf / 'objects.options'}",
    ]


def ports(place: Place) -> dict[str, int]:
    return {name: place.port("objects", number) for number, name in enumerate(LISTENERS)}


def url(place: Place) -> str:
    port = ports(place)["s3.port"]
    return f"http://heliograph:{place.secret('objects')}@127.0.0.1:{port}/{BUCKET}"


def answers(place: Place) -> bool:
    """Whether S3 replies and the bytes behind it are there: the volumes register seconds later."""
    return replies(place) and has_volumes(place)


def replies(place: Place) -> bool:
    try:
        urlopen(f"http://127.0.0.1:{ports(place)['s3.port']}/", timeout=2).close()
    except HTTPError as refusal:
        # Refusing the nameless caller is a reply.
        refusal.close()
        return refusal.code < 500
    except (URLError, OSError):
        return False
    return True


def has_volumes(place: Place) -> bool:
    address = f"http://127.0.0.1:{ports(place)['master.port']}/dir/status"
    try:
        with urlopen(address, timeout=2) as answer:
            return bool(json.load(answer)["Topology"]["DataCenters"])
    except (URLError, OSError):
        return False


def remove_sockets(place: Place) -> None:
    """It makes a socket beside each gRPC port, in /tmp and nowhere else, and a kill leaves them."""
    for name, port in ports(place).items():
        if name.endswith(".grpc"):
            server = name.partition(".")[0]
            Path(f"/tmp/seaweedfs-{server}-grpc-{port}.sock").unlink(  # noqa: S108 - its choice
                missing_ok=True
            )
