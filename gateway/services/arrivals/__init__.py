"""What comes in: who may call, one bundle on its way, opened and released or refused."""
