"""Which mail domains prove employment by which public body. The registration desk asks; the secretariat extends.

Asked for a domain, in this order: the rows of ``domain_rule``, the list that is shipped (``shipped.csv``), the rules
(``rules``). The longest suffix wins, on the boundary of labels. All else is for a person to decide.
Commands: ``!domain add|list|remove|check|import`` (``!ドメイン 追加|一覧|削除|確認|取込``).
"""

from oshiyakusho_matrix.registration.domains.domain import Proof, Verdict
from oshiyakusho_matrix.registration.domains.service import DomainRules

__all__ = ["DomainRules", "Proof", "Verdict"]
