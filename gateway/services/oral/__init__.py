"""Requests made by word of mouth: noted by either side, confirmed in writing (UNTOC 18(14))."""
