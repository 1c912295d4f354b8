"""The 24/7 lane's preservation of data: what officers say in it, and the letter for the domestic step.

``desk`` is what officers use; ``standing`` what a case knows just before an act; ``letter`` the document for
the custodian. The rules stand in ``gateway.model.preservation_rules`` (docs/preservation.md).
"""
