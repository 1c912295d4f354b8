"""What comes in by mail: each mail is taken to a durable end before its server is told that it is done.

``intake`` decides what becomes of one mail, ``gatewaymail`` reads those of other gateways, ``segments`` puts
containers together, ``quarantine`` keeps what nobody takes, ``answers`` sends what goes back by itself,
``human`` says what takes the mails of people, ``inlets`` fetches.
"""
