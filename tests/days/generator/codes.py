"""Codes as packs carry them and scanners spell them. Nothing here is a real product."""

# A serial of these letters has one reading even where the separators of its GS1 text were lost.
PLAIN_LETTERS = "KMNPQRSTVWXYZ"
# GS1 keeps this prefix for examples.
EXAMPLE_GTIN_PREFIX = "0952"


def check_digit(digits):
    """The last digit of a GTIN or EAN: weights 3 and 1 from the right."""
    total = sum(int(d) * (3 if at % 2 == 0 else 1) for at, d in enumerate(reversed(digits)))
    return str(-total % 10)


def gtin(number):
    body = f"{EXAMPLE_GTIN_PREFIX}{number:09}"
    return body + check_digit(body)


def barcode(number):
    """An EAN-13 of a product sold in China."""
    body = f"699{number:09}"
    return body + check_digit(body)


def gs1(of_gtin, serial, lot="", expiry="", order="01 17 10 21", separator="\x1d", front=""):
    """Elements in an order. A value of free length is ended by the separator unless it is the last."""
    values = {"01": of_gtin, "17": expiry, "10": lot, "21": serial}
    parts = [(ai, values[ai]) for ai in order.split() if values[ai]]
    text = front
    for at, (ai, value) in enumerate(parts):
        free = ai in ("10", "21")
        text += ai + value + (separator if free and at + 1 < len(parts) else "")
    return text


def gs1_in_brackets(of_gtin, serial, lot="", expiry="", order="01 17 10 21"):
    values = {"01": of_gtin, "17": expiry, "10": lot, "21": serial}
    return "".join(f"({ai}){values[ai]}" for ai in order.split() if values[ai])


def full_width(text):
    return "".join(chr(ord(c) + 0xFEE0) for c in text)


def in_groups(text, size=4):
    return " ".join(text[at : at + size] for at in range(0, len(text), size))


def noisy(code):
    """One code in the ways in which scanners and people spell it."""
    return {
        "hyphen": f"{code[:7]}-{code[7:]}",
        "blanks": in_groups(code),
        "full-width": full_width(code),
        "symbology": f"]C1{code}\r\n",
        "byte-order-mark": f"\ufeff{code}",
        "line-end": f"{code}\n",
        "qr-symbology": f"]Q3{code}",
    }
