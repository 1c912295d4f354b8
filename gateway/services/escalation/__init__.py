"""The urgent lane's ladders: people are called until a person has signed that they have a request.

``ladder`` makes and ends the rows, in the transactions that make bundles durable; ``climb`` takes the steps
that are due; ``wording`` says what a person is to do, with the numbers of the directory.
"""

from gateway.services.escalation.climb import Escalation as Escalation
from gateway.services.escalation.ladder import Ladder as Ladder
