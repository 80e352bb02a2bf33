"""Counts and names in sentences."""


def count_of(number: int | float, what: str) -> str:
    """A number and its noun, in the plural unless the number is 1.

    Examples:
        >>> count_of(1, "epoch"), count_of(10_000, "image"), count_of(2, "class"), count_of(0.5, "epoch")
        ('1 epoch', '10,000 images', '2 classes', '0.5 epochs')
    """
    ending = "es" if what.endswith("s") else "s"
    shown = f"{number:,}" if isinstance(number, int) else f"{number:g}"
    return f"{shown} {what}{ending if number != 1 else ''}"


def printable(text: str) -> str:
    r"""`text` without control characters and bytes that are not UTF-8, which names of folders can have.

    Examples:
        >>> printable("T-shirt/top"), printable("two\nlines")
        ('T-shirt/top', 'two�lines')
    """
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
