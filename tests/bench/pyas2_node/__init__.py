"""One real django-pyas2 node: settings, URLs, WSGI entry and a command, under the peers' interpreter."""
