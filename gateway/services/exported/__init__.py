"""A case as files that a third person can check without this gateway (docs/human-acts.md section 9)."""
