"""The gateway of one authority: model, storage, services, web and wiring."""
