"""HTTP faces of the services: the peer API and the local API."""
