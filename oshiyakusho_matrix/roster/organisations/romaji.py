"""Kana written with Latin letters, and the many spellings of that made one. Pure.

Hepburn is what registries ask of public bodies, but bodies spell long vowels as they like (``ota``, ``oota``, ``ohta``,
``outa``), some write ``si`` for ``shi`` and ``m`` for ``n`` before ``b``. ``reduced`` makes one of all of these. So it
makes one of some different names, too (おおた, おた): whoever ties a spelling to a body must see that no other fits.
"""

import re
from typing import Final

_SYLLABLES: Final = {
    "あいうえお": "a i u e o", "かきくけこ": "ka ki ku ke ko", "がぎぐげご": "ga gi gu ge go",
    "さしすせそ": "sa shi su se so", "ざじずぜぞ": "za ji zu ze zo", "たちつてと": "ta chi tsu te to",
    "だぢづでど": "da ji zu de do", "なにぬねの": "na ni nu ne no", "はひふへほ": "ha hi fu he ho",
    "ばびぶべぼ": "ba bi bu be bo", "ぱぴぷぺぽ": "pa pi pu pe po", "まみむめも": "ma mi mu me mo",
    "やゆよ": "ya yu yo", "らりるれろ": "ra ri ru re ro", "わゐゑをん": "wa i e o n",
}  # fmt: skip
_KANA: Final = {
    kana: sound for row, sounds in _SYLLABLES.items() for kana, sound in zip(row, sounds.split(), strict=True)
}
_SMALL: Final = {"ゃ": "a", "ゅ": "u", "ょ": "o"}
#: As in きゃ kya; but in しゃ sha, ちゃ cha and じゃ ja the y is heard in the consonant.
_PALATAL: Final = ("sh", "ch", "j")

#: Other spellings of a sound, in the order in which they are made one.
_ALIKE: Final = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        (r"[^a-z]", ""),
        (r"(?:sy|sh)(?=[auo])", "sh"),
        (r"si", "shi"),
        (r"(?:ty|cy)(?=[auo])", "ch"),
        (r"tch", "cch"),
        (r"ti", "chi"),
        (r"tu", "tsu"),
        (r"(?:zy|jy)(?=[auo])", "j"),
        (r"[zd]i", "ji"),
        (r"d(?:u|zu)", "zu"),
        (r"(?<![cs])hu", "fu"),
        (r"m(?=[bmp])", "n"),
        (r"n+", "n"),
        (r"wo", "o"),
        # Long vowels: おう, おお, おほ; うう. An h that no vowel follows makes the o before it long.
        (r"oh(?![aiueoy])", "o"),
        (r"o[ou]+", "o"),
        (r"u{2,}", "u"),
    )
)


def romanised(kana: str) -> str:
    """Return hiragana in Hepburn, letter by letter: ``とうきょう`` is ``toukyou``. What is no kana stays as it is."""
    written: list[str] = []
    double = False
    for each in kana:
        if each == "っ":
            double = True
        elif each in _SMALL and written and written[-1].endswith("i"):
            stem = written[-1][:-1]
            written[-1] = stem + ("" if stem.endswith(_PALATAL) else "y") + _SMALL[each]
        elif each == "ー" and written:
            written.append(written[-1][-1])
        else:
            sound = _KANA.get(each, each)
            written.append(sound[0] + sound if double else sound)
            double = False
    return "".join(written)


def reduced(latin: str) -> str:
    """Return the one form of all spellings of a name: lower-case letters only."""
    text = latin.lower()
    for pattern, to in _ALIKE:
        text = pattern.sub(to, text)
    return text
