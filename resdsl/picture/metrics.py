"""Text widths from a table, so that layout does not depend on installed fonts.

The widths are those of Arimo (SIL Open Font License), which is metric-compatible with Liberation Sans, Arial and
Helvetica.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

UNITS = 2048
"""Units per font size of the width table."""

ASCENT = 0.72
"""Height of capitals and digits above the baseline, relative to the font size."""

DESCENT = 0.21
"""Depth of letters below the baseline, relative to the font size."""

_CHARACTERS = {
    391: "'",
    455: "ijlįĵĺļłſΐίιϊіј‘’",
    532: "|¦",
    569: " !,./:;I[\\]ft\u00a0ÌÍÎÏìíîïĨĩĪīĬĭĮİıţŧ·ΙΪІЇї",
    597: "ľ",
    682: "()-`r¡¨²³´·¸¹ŕŗř“”",
    684: "{}ŀ",
    717: "•",
    727: '"',
    747: "гѓ",
    748: "º",
    758: "ª",
    768: "ť",
    786: "Ί",
    797: "*",
    809: "τ",
    819: "°",
    896: "кќ",
    903: "ζ",
    909: "ĳ",
    913: "έε",
    917: "ξ",
    938: "т",
    939: "з",
    961: "^",
    987: "ς",
    1024: "JcksvxyzçýÿćĉċčĴķĸśŝşšŷźżžγκλνЈсухѕў↑↓",
    1045: "эє",
    1067: "чь",
    1075: "χ",
    1088: "в",
    1100: "¶",
    1109: "ЃГпя",
    1120: "ΰυϋύ",
    1124: "±÷≤≥≈≠√",
    1128: "Γ",
    1130: "џ",
    1131: "¯н",
    1139: ("#$0123456789?L_abdeghnopqu¢£¤¥§«»àáâãäåèéêëðñòóôõöùúûüþāăąđēĕėęěĝğġģĥħĹĻĽĿŁńņňŋōŏőũūŭůűųήηθοόаеорѐёђћ–"),
    1140: "δ",
    1144: "ийѝ",
    1165: "ρ",
    1173: "бц",
    1178: "β",
    1180: "µμ",
    1184: "άα",
    1193: "ЌК",
    1195: "дл",
    1196: "+<=>~¬×−",
    1237: "ŉЗ",
    1251: "FTZ¿ßøŢŤŦŹŻŽΖΤТ",
    1259: "ď",
    1264: "σ",
    1266: "Σ",
    1280: "ъ",
    1301: "ЎУ",
    1328: "φ",
    1331: "Ξ",
    1344: "БЛЬ",
    1365: "Ч",
    1366: "&ABEKPSVXYÀÁÂÃÄÅÈÉÊËÝÞĀĂĄĒĔĖĘĚĶŚŜŞŠŶŸΑΒΕΚΡΥΧΫЅАВЕРХ",
    1367: "ΆЁ",
    1368: "ΔΛ",
    1370: "ж",
    1387: "Д",
    1408: "м",
    1413: "π",
    1460: "ψ∞∑",
    1472: "ЄЍЏИЙПЭы",
    1479: "CDHNRUwÇÐÑÙÚÛÜĆĈĊČĎĐĤĦŃŅŇŔŖŘŨŪŬŮŰŲŵΗΝΠНСЯ",
    1481: "Ŋ",
    1505: "Ĳ",
    1509: "©®",
    1515: "Ц",
    1531: "Ω",
    1536: "ю",
    1541: "Ώ",
    1557: "Ф",
    1586: "Ό",
    1593: "GOQÒÓÔÕÖØĜĞĠĢŌŎŐΘΟО",
    1599: "ω",
    1606: "Έ",
    1621: "Ъ",
    1634: "Φ",
    1643: "ш",
    1664: "њ",
    1685: "фщ",
    1706: "MmΜМ",
    1708: "¼½¾",
    1711: "Ψ",
    1716: "Ή",
    1749: "Ћ",
    1752: "Ύ",
    1771: "Ђ",
    1813: "Ы",
    1821: "%æ",
    1856: "љ",
    1877: "Ш",
    1891: "Ж",
    1920: "Щ",
    1933: "WœŴ",
    2048: "ÆŒ—…←→",
    2069: "ЊЮ",
    2079: "@",
    2165: "Љ",
}
"""Characters by their width."""

_WIDTHS = {character: width for width, characters in _CHARACTERS.items() for character in characters}


def known(text: str) -> bool:
    """Whether all characters are in the table; widths of others are estimated generously."""
    return all(character in _WIDTHS for character in text)


@lru_cache(maxsize=8192)
def text_width(text: str, size: float) -> float:
    """The width of a line of text in a font of that size, in the unit of the size."""
    return sum(map(_width, text)) * size / UNITS


def fitted(text: str, size: float, room: float) -> str:
    """The text, cut off with an ellipsis if it is wider than ``room``."""
    if text_width(text, size) <= room:
        return text
    # Names can be long: only as many characters as could fit are considered.
    kept = text[: int(room / size * UNITS / min(_CHARACTERS)) + 1]
    while kept and text_width(kept.rstrip() + "…", size) > room:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def _width(character: str) -> int:
    known = _WIDTHS.get(character)
    if known is not None:
        return known
    return 0 if unicodedata.combining(character) else UNITS
