"""What is wrong with a command line, in words that its help uses too.

Imports the parser, so only a command line that is wrong loads this.
"""

import cyclopts


def sentence_of(error: cyclopts.CycloptsError) -> str:
    """Return one line; an argument that is given by its place is called as the help calls it."""
    command = " ".join(("rogatory", *(error.command_chain or ())))
    match error:
        case cyclopts.MissingArgumentError(keyword=None, argument=argument) if (
            argument and not argument.tokens
        ):
            by_place = argument.field_info.is_positional
            return f"{command} needs {argument.name.lstrip('-').upper() if by_place else argument.name}."
        case cyclopts.MissingArgumentError(keyword=str(option)):
            return f"{command} needs a value after {option}."
        case cyclopts.UnusedCliTokensError(unused_tokens=left) if left:
            return f"{command} does not take {' '.join(left)!r} there."
        case _:
            return str(error).strip().replace("\n", " ")
