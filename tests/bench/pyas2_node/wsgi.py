"""WSGI entry of a django-pyas2 node."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench.pyas2_node.settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
