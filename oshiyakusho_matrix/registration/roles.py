"""Whether a mailbox is likely to be that of an office rather than of a person, by its name. Pure.

In small towns and for those appointed by the year the mailbox of the division is often the only one. Codes that arrive
there prove less, so the secretariat is told. Too many flagged is better than too few: a person decides then.
"""

import re
from typing import Final

from oshiyakusho_matrix.roster.organisations.romaji import reduced

#: What offices and tasks are called, in romanised Japanese. Compared in ``reduced`` form, so any spelling will do.
_OFFICES: Final = """
    akiya bosai boshi boueki bunka bunkazai bunsho chiiki chiikishinko chikusan chisei choju chosei doboku doro
    eisei fukushi gakko gakkokyoiku gesui gesuido gikai gikaijimu gyokaku gyosei gyozaisei hisho hoikuen hoiku
    hoken hokenfukushi hokensho hokennenkin hosei hoki ijuu iryo jichi jidofukushi jigyo jimukyoku jinji jinken
    jogesuido johokikaku joho johoseisaku joho-system johosystem josui jumin juminzei jutaku kaigo kaikei kaihatsu
    kangyo kankou kankyo kankyoeisei kanri kansa kansen kanzai kazei keiei keikaku keiyaku keizai kenchiku kenko
    kenkofukushi kenkozoshin kensetsu kikaku kikakuzaisei kikakuseisaku kikikanri kocho koho kohokocho koken koko
    kokuho kokuhonenkin kokusai koreifukushi koreisha koseki kosodate kosodateshien kodomo kotsu kouen kowan koza
    kyodo kyoikuiinkai kyoiku kyoikusomu kyouikuiinkai kyushoku machizukuri madoguchi nenkin nogyo
    nogyoiinkai norin norinsuisan nosei noson nochi nyusatsu nyutsatsu nozei ringyo sangyo seibi seikatsu
    seikatsukankyo seisaku seiso senkyo shakaifukushi shakaikyoiku shichoshitsu chojishitsu shigaichi shigikai shimin
    shiminkatsudo shiminzei shisan shisanzei shisei shobo shobohonbu shobosho shogai shogaifukushi shogaigakushu
    shogakko chugakko shokan shoko shokokanko shokuin shomu shusei shuno shunou sogokeikaku sogoseisaku soumu
    soumukikaku suido suidokyoku suisan taiiku tetsuzuki tochi toshikeikaku toshiseibi toshokan kominkan tokei toiawase
    uketsuke zaimu zaisan zaisei zei zeimu yakuba shiyakusho kuyakusho kencho byoin hospital sports bousaikikikanri
"""
#: The like in English and in short.
_TASKS: Final = """
    info mail office contact webmaster postmaster admin administrator root support help helpdesk system systems sysadmin
    abuse noreply no-reply pr press public dx it ict digital soudan group team all staff section division desk
    hostmaster security inquiry inquiries service koe goiken gooiken jouhou
"""
#: Kinds of offices and posts, which stand behind the name or, after a mark, alone: kikaku-ka, soumu_kakari, zaiseibu.
_ENDS: Final = ("kakaricho", "kakari", "kacho", "bucho", "kyoku", "shitsu", "honbu", "center", "senta", "han", "gakari",
                "tanto", "team", "group", "gr", "ka", "bu", "sho", "cho")  # fmt: skip

_OFFICE_NAMES: Final = frozenset(reduced(word) for word in _OFFICES.split())
_TASK_NAMES: Final = frozenset(_TASKS.split())
_PIECES: Final = re.compile(r"[^a-z]+")


def is_shared(local: str) -> bool:
    """Tell whether this name before the @, in lower case and without a tag, is that of an office or a task."""
    pieces = [piece for piece in _PIECES.split(local) if piece]
    return any(_is_role(piece) for piece in (*pieces, "".join(pieces)))


def _is_role(piece: str) -> bool:
    if piece in _TASK_NAMES or reduced(piece) in _OFFICE_NAMES:
        return True
    return any(piece.endswith(end) and reduced(piece.removesuffix(end)) in _OFFICE_NAMES for end in _ENDS)
