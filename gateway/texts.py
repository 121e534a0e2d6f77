"""The rules for what people write: captions, comments, names.

Line ends become LF and text becomes NFC. Control characters are refused. Bidirectional embeddings,
overrides and isolates are dropped, since one left open reorders the text around it on the page;
the marks LRM, RLM and ALM stay, and so does everything emoji are made of.
"""

import re
from unicodedata import normalize

from gateway.bodies import refused

BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]")
LINE_ENDS = re.compile("\r\n?|\u2028|\u2029")


def clean_text(text: str, field: str, most: int) -> str:
    """Text of several lines, of at most `most` characters (code points) once cleaned."""
    cleaned = LINE_ENDS.sub("\n", BIDI.sub("", text))
    if CONTROLS.search(cleaned):
        raise refused(field, f"{field} may not hold control characters", "control-characters")
    cleaned = normalize("NFC", cleaned).strip()
    if len(cleaned) > most:
        raise refused(
            field,
            f"{field} has {len(cleaned)} characters, at most {most} are kept",
            "text-too-long",
        )
    return cleaned


def clean_line(text: str, field: str, most: int) -> str:
    """Text of one line: any white space between words becomes one space."""
    return clean_text(" ".join(text.split()) if printable(text) else text, field, most)


def printable(text: str) -> bool:
    return not CONTROLS.search(text.replace("\r", "\n"))
