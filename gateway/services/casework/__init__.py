"""Cases: the messages of a thread, their fold, what officers do with them and see of them."""
