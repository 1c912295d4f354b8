"""Drills: signed test messages through every channel of every 24/7 point, up to the person who answers."""
