"""The directory: enrolments by hand and signed networks, merged, with who vouches for each key.

``facade`` is what the services talk to, ``lookups`` what it answers; ``merge`` decides between the sources
(``views``), ``trustedkeys`` which keys count; ``localfile`` is the signed file of what persons put in,
``enrolment`` the file that authorities hand to each other.
"""

from gateway.services.directory.enrolment import Enrolled as Enrolled
from gateway.services.directory.enrolment import entry_words as entry_words
from gateway.services.directory.enrolment import key_in_force as key_in_force
from gateway.services.directory.enrolment import make_enrolment as make_enrolment
from gateway.services.directory.enrolment import read_enrolment as read_enrolment
from gateway.services.directory.facade import Directory as Directory
from gateway.services.directory.views import Lookup as Lookup
