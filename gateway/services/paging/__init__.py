"""People at night: roster, alarm paths, and pages that ring until a person answers (docs/duty-roster.md)."""
