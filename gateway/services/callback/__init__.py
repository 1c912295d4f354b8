"""Ringing up an authority about what it is said to have sent."""

from gateway.services.callback.desk import CallbackDesk as CallbackDesk
