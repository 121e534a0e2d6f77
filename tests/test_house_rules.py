"""The rules of the house, read from the code itself."""

import ast
import re
from pathlib import Path

import msgspec
import pytest

from runtime.settings import Settings, variable

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("gateway", "workers", "stores", "events", "runtime")

# Arrows point down. `__main__` modules put a process together and may reach anywhere.
MAY_IMPORT = {
    "gateway": {"stores", "events", "runtime"},
    "workers": {"stores", "events", "runtime"},
    "stores": {"events", "runtime"},
    "events": {"runtime"},
    "runtime": set(),
}

MOST_LINES = 250
# Files that hold one thought in more lines, each with its reason.
LONGER: dict[str, str] = {}


def python_files(*folders):
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path):
    """Every module that the file imports, anywhere in it, as a dotted name."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_down(package):
    """A part knows only what stands below it."""
    for path in python_files(package):
        if path.name == "__main__.py":
            continue
        reached = {module.partition(".")[0] for module in imports_of(path)} & set(PACKAGES)
        assert reached - {package} <= MAY_IMPORT[package], name_of(path)


def test_only_the_gateway_speaks_http():
    for path in python_files("workers", "stores", "events", "runtime"):
        assert "aiohttp.web" not in set(imports_of(path)), name_of(path)


def test_a_file_holds_one_thought():
    """About what one reads at a sitting; an exception is named, and dropped when it can be."""
    folders = (*PACKAGES, "bench", "tests")
    long = {
        name_of(path): lines
        for path in python_files(*folders)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES
    }

    assert long.keys() == LONGER.keys(), long


def test_every_module_says_its_place():
    for path in python_files(*PACKAGES, "bench"):
        assert ast.get_docstring(tree_of(path)), name_of(path)


def test_no_folder_of_tests_is_a_package():
    """tests/events/__init__.py would stand in the way of the package `events`."""
    assert not list((ROOT / "tests").rglob("__init__.py"))


def events_declared():
    """Name and docstring of every class with a wire tag."""
    for path in python_files("events"):
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef) and any(word.arg == "tag" for word in node.keywords):
                yield node.name, " ".join((ast.get_docstring(node) or "").split())


def announcers():
    """Event → the modules of gateway and workers that make one."""
    found = {}
    for path in python_files("gateway", "workers"):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                found.setdefault(node.func.id, set()).add(name_of(path))
    return found


def readers():
    """Event → the modules whose handlers the map gives it to."""
    tree = tree_of(ROOT / "workers" / "subscriptions.py")
    home = {
        alias.name: f"{node.module.replace('.', '/')}.py"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Name) and isinstance(value, ast.Name):
                    found.setdefault(key.id, set()).add(home[value.id])
    return found


def modules_named(words):
    return set(re.findall(r"[a-z_]+(?:/[a-z_]+)+\.py", words))


@pytest.mark.parametrize(("event", "docstring"), list(events_declared()))
def test_an_event_says_who_announces_and_who_reads_it(event, docstring):
    """Its docstring names exactly the modules that make it and those the map gives it to."""
    said = re.search(r"(?:Announced|Recorded) by (.+?); read by (.+)", docstring)

    assert said, "no `Announced by ...; read by ...`"
    assert modules_named(said[1]) == announcers().get(event, set())
    assert modules_named(said[2]) == readers().get(event, set())


def test_every_setting_is_documented():
    documented = set(re.findall(r"`(HELIOGRAPH_[A-Z_]+)`", text_of("docs/settings.md")))
    declared = {variable(field.name) for field in msgspec.structs.fields(Settings)}

    assert documented == declared | {"HELIOGRAPH_SECRET_FILE"}


def test_every_make_target_is_helped():
    """`make help` knows each target that a person may call."""
    targets = re.findall(r"^([a-z][a-z-]*):(.*)$", text_of("Makefile"), re.MULTILINE)

    assert targets
    assert [name for name, rest in targets if "## " not in rest] == []


def test_every_refusal_of_a_rule_has_its_reason():
    """`noqa` and `type: ignore` say why, beside them."""
    unexplained = [
        f"{name_of(path)}: {line.strip()}"
        for path in python_files(*PACKAGES, "bench", "tests")
        if path != Path(__file__)
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"# (noqa|type: ignore)(: [A-Z0-9, ]+|\[[a-z-, ]+\])?\s*$", line)
    ]

    assert unexplained == []


def text_of(path):
    return (ROOT / path).read_text(encoding="utf-8")
