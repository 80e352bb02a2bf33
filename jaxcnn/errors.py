"""The one exception that a user of the command line can cause."""


class InputError(ValueError):
    """Something that the user gave cannot be used.

    Its message is one line: what is wrong, the rule, and how to mend it. The command line prints the line
    and leaves with exit code 2; any other exception is a defect of the program and keeps its traceback.
    """
