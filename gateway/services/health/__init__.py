"""Whether all is well: the doctor and what is looked at by the clock."""
