"""Others' words, made safe to show: names, replies and reasons come from strangers, and go to terminals, pages and
spreadsheets."""

HARMLESS = "\n\u200c\u200d"
"""Line ends, and the joiners that Persian and Indic names are written with."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell begins that a spreadsheet would run: https://owasp.org/www-community/attacks/CSV_Injection"""
MARK = "'"


def visible(text: str) -> str:
    """`text` without anything that could move the cursor or reverse the line."""
    return "".join(c if c.isprintable() or c in HARMLESS else f"\\x{ord(c):02x}" for c in text)


def inert(text: str) -> str:
    """`text` as a cell that no spreadsheet runs: a ' before what begins like a formula. A text that begins with a '
    gets one too, so that taking one away (`bare`) gives back any text."""
    return MARK + text if text.startswith((*FORMULA, MARK)) else text


def bare(cell: str) -> str:
    """What `inert` was given."""
    return cell.removeprefix(MARK)
