"""One form for the many ways to write one Japanese name, for comparing only: never shown to anybody. Pure.

What NFKC leaves apart: old and new shapes of a character (髙 and 高), ヶ and ケ, hiragana and katakana, and づ and ず,
which sound alike. Used for names of bodies; names of people are written with the same characters.
"""

import re
from typing import Final

from oshiyakusho_matrix.core.text import fold

_SHAPES: Final = (
    "髙高 﨑崎 嵜崎 邉辺 邊辺 𠮷吉 澤沢 廣広 濵浜 濱浜 齋斎 齊斎 斉斎 龍竜 嶋島 嶌島 條条 國国 櫻桜 冨富 "
    "瀧滝 籠篭 鹽塩 螢蛍 驒騨 鰺鯵 曾曽 彌弥 檜桧 藪薮 礪砺 埜野 舘館 峯峰 淵渕 穗穂 禰祢 壺壷 會会 學学 "
    "與与 圓円 眞真 德徳 縣県 惠恵 檮梼 榮栄 豐豊 壽寿 實実 來来 寶宝 靜静 萬万 藝芸 圖図 體体 鐵鉄 蘆芦 "
    "葦芦 鷗鴎 麴麹 祇祗 賴頼 槇槙 黑黒 橫横 步歩 每毎 內内"
)
_SAME_SOUND: Final = "ゔぶ づず ぢじ ゐい ゑえ"
_DASHES: Final = "‐‑‒–—―−－ｰ─"
_TABLE: Final = str.maketrans(
    {ord(pair[0]): pair[1] for pair in (*_SHAPES.split(), *_SAME_SOUND.split())}
    | {ord(dash): "ー" for dash in _DASHES}
    # Small ヶ and ヵ, which stand for a whole word, and have no use of their own in hiragana.
    | {ord("ゖ"): "け", ord("ゕ"): "け"}
)
_KATAKANA: Final = str.maketrans({code: code - 0x60 for code in range(ord("ァ"), ord("ヶ") + 1)})
_SPACES: Final = re.compile(r"\s+")


def hiragana(text: str) -> str:
    """Return text with its katakana as hiragana."""
    return text.translate(_KATAKANA)


def fold_japanese(text: str) -> str:
    """Fold what people type: width and case, shapes of characters, katakana to hiragana; spaces become one each."""
    return _SPACES.sub(" ", hiragana(fold(text))).translate(_TABLE)
