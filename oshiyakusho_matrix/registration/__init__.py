"""The registration desk: who may come in.

A public servant fills in the form, proves their mailbox by a code, proves their Matrix account by a claim code, and is
approved or rejected by 事務局 (``domain`` has the lifecycle). Personal data is sealed from the first row; rooms, logs
and the audit carry reference numbers. Commands: ``!application list|show|approve|reject|ask|assign``
(``!申請 一覧|詳細|承認|却下|質問|担当``), ``!domain add|list|remove|check|import``
(``!ドメイン 追加|一覧|削除|確認|取込``). Inside: ``domains`` (which mail proves what), ``accounts`` (for those who have
none), ``pages``, ``welcome``.
"""
