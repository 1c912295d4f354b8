"""The gateway of one authority: model, storage, services, web and wiring."""

__version__ = "0.1.0"
