"""Bank statements as real PDF files, each with figures of its own.

They are set in a font that every PDF reader brings along, which has Latin letters only. Fonts for the other scripts
would have to be downloaded, so the PDF shows the customer's number, and the name is in the email alone.
"""

from datetime import UTC, date, datetime, timedelta
from random import Random

from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos

from eed_delivery.demo.people import Customer

BANK = "Example Savings Bank"
_FIRST_DAY = date(2025, 12, 1)
_MADE_AT = datetime(2026, 1, 1, 6, 0, tzinfo=UTC)
_TEXTS = ("Salary", "Rent", "Groceries", "Electricity", "Card payment", "Transfer", "Insurance", "Cash withdrawal")
_WIDTHS = (30, 100, 40)


def statement(customer: Customer) -> bytes:
    """One customer's statement for December, on one page. The same customer always gets the same bytes."""
    figures = Random(customer.number)  # noqa: S311 - invented figures, no secret
    balance = opening = figures.randint(10_000, 900_000)
    pdf = FPDF(format="A4")
    pdf.set_creation_date(_MADE_AT)
    pdf.set_title(f"Statement {customer.number}")
    pdf.add_page()
    _line(pdf, BANK, size=18, style="B")
    _line(pdf, f"Statement of account, December 2025, customer {customer.number}", size=12)
    _row(pdf, ("", "Opening balance", _money(opening)), style="B")
    for day in sorted(figures.sample(range(31), figures.randint(8, 20))):
        amount = figures.randint(-40_000, 60_000)
        balance += amount
        when = (_FIRST_DAY + timedelta(days=day)).isoformat()
        _row(pdf, (when, figures.choice(_TEXTS), _money(amount)))
    _row(pdf, ("", "Closing balance", _money(balance)), style="B")
    return bytes(pdf.output())


def _line(pdf: FPDF, text: str, *, size: int, style: str = "") -> None:
    pdf.set_font("helvetica", style=style, size=size)
    pdf.cell(0, size, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _row(pdf: FPDF, cells: tuple[str, str, str], *, style: str = "") -> None:
    pdf.set_font("helvetica", style=style, size=10)
    for width, text in zip(_WIDTHS, cells, strict=True):
        last = width is _WIDTHS[-1]
        pdf.cell(
            width,
            8,
            text,
            border="B",
            align=Align.R if last else Align.L,
            new_x=XPos.LMARGIN if last else XPos.RIGHT,
            new_y=YPos.NEXT if last else YPos.TOP,
        )


def _money(cents: int) -> str:
    return f"{cents / 100:,.2f} EUR"
