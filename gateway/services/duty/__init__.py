"""What the duty page shows and does: urgent cases, no content; who is signed in (docs/duty-page.md)."""
